import type { ReactNode } from 'react';
import css from './Notice.module.css';

/** That there is nothing here, and how something comes here. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={css.notice}>
      <h2>{title}</h2>
      {children}
    </div>
  );
}
