import { cloneElement, type ReactElement, useState } from 'react';
import { Button } from './Button';
import { Dialog, DialogEnd } from './Dialog';

/** Asks before what cannot be taken back. `children` is the button that leads to it. */
export function Confirm({
  title,
  text,
  verb,
  onConfirm,
  children,
}: {
  title: string;
  text: string;
  verb: string;
  onConfirm: () => void;
  children: ReactElement<{ onClick?: () => void }>;
}) {
  const [open, setOpen] = useState(false);
  return (
    <>
      {cloneElement(children, { onClick: () => setOpen(true) })}
      {open && (
        <Dialog title={title} onClose={() => setOpen(false)}>
          <p>{text}</p>
          <DialogEnd>
            <Button data-first onClick={() => setOpen(false)}>
              Leave it
            </Button>
            <Button
              look="danger"
              onClick={() => {
                setOpen(false);
                onConfirm();
              }}
            >
              {verb}
            </Button>
          </DialogEnd>
        </Dialog>
      )}
    </>
  );
}
