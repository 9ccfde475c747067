import type { ReactNode } from 'react';
import css from './Notice.module.css';

/** That there is nothing here, and how something comes here. */
export function Empty({
  title,
  whole,
  children,
}: {
  title: string;
  /** It is all that the page has to say. */
  whole?: boolean;
  children?: ReactNode;
}) {
  const Heading = whole ? 'h1' : 'h2';
  return (
    <div className={css.notice}>
      <Heading>{title}</Heading>
      {children}
    </div>
  );
}
