import type { ButtonHTMLAttributes } from 'react';
import css from './Button.module.css';

type Look = 'main' | 'plain' | 'quiet' | 'danger';

/** A button; `busy` while what it does is under way, so that it is not done twice. */
export function Button({
  look = 'plain',
  busy = false,
  className = '',
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { look?: Look; busy?: boolean }) {
  return (
    <button
      type="button"
      {...rest}
      className={`${css.button} ${css[look]} ${className}`}
      aria-busy={busy || undefined}
      disabled={rest.disabled || busy}
    />
  );
}

/** The same look for links. */
export const buttonClass = (look: Look = 'plain') => `${css.button} ${css[look]}`;
