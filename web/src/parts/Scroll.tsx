import type { ReactNode } from 'react';
import css from './Table.module.css';

/** A table that is scrolled inside itself where it is too wide, with keys, too. */
export function Scroll({ label, children }: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what is beyond its edge is reached with keys
    <section className={css.scroll} aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
