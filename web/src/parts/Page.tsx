import type { ReactNode } from 'react';
import { useEffect } from 'react';
import css from './Page.module.css';

/** A page with its title, which the browser's tab has too, and what can be done on all of it. */
export function Page({
  title,
  above,
  actions,
  children,
}: {
  title: string;
  /** Where it belongs. */
  above?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  useTitle(title);
  return (
    <div className={css.page}>
      {above}
      <header className={css.head}>
        <h1>{title}</h1>
        {actions && <div className={css.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  );
}

/** A part of a page under its own heading. */
export function Section({
  title,
  note,
  waits,
  children,
}: {
  title: string;
  note?: ReactNode;
  /** What it shows is being read: it is not seen yet, nor what is below it, which would move. */
  waits?: boolean;
  children: ReactNode;
}) {
  return (
    <section className={css.section} aria-busy={waits}>
      <div className={css.about}>
        <h2>{title}</h2>
        {note && <p className={css.note}>{note}</p>}
      </div>
      <div className={css.body}>{children}</div>
    </section>
  );
}

/** Stands where something is being read; what is below it is not seen until then, so that it does not move. */
export const Waits = () => (
  <p className={css.waits} aria-busy="true">
    Reading …
  </p>
);

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Outwork`;
  }, [title]);
}
