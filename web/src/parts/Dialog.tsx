import { type ReactNode, useEffect, useId, useRef } from 'react';
import { Button } from './Button';
import css from './Dialog.module.css';

/**
 * A question over the page. It is the browser's own dialog: it keeps the focus and closes with Escape, and unlike a library's it adds no style element,
 * which the content security policy forbids.
 */
export function Dialog({
  title,
  onClose,
  children,
  wide = false,
  bare = false,
}: {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
  /** Without a visible head, and in the upper part of the page. */
  bare?: boolean;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    if (!element?.open) element?.showModal();
    element?.querySelector<HTMLElement>('[data-first]')?.focus();
    // It is taken away rather than closed by the browser, so the focus is given back here.
    return () => {
      element?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same
    <dialog
      ref={dialog}
      className={`${css.dialog} ${wide ? css.wide : ''} ${bare ? css.bare : ''}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div className={css.inside}>
        <div className={bare ? 'visually-hidden' : css.head}>
          <h2 id={heading}>{title}</h2>
          {!bare && (
            <Button look="quiet" aria-label="Close" onClick={onClose}>
              ✕
            </Button>
          )}
        </div>
        {children}
      </div>
    </dialog>
  );
}

/** The buttons below a form in a dialog. */
export const DialogEnd = ({ children }: { children: ReactNode }) => <div className={css.end}>{children}</div>;
