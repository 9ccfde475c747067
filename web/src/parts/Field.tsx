import type { InputHTMLAttributes, ReactNode, SelectHTMLAttributes } from 'react';
import { useId } from 'react';
import css from './Field.module.css';

type Around = { label: string; help?: ReactNode; error?: string | undefined };

/** A line of text with its label, what to write, and what is wrong with it. */
export function TextField({ label, help, error, ...input }: Around & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <Surround id={id} label={label} help={help} error={error}>
      <input
        id={id}
        {...input}
        className={css.input}
        aria-invalid={error ? true : undefined}
        aria-describedby={`${id}-help`}
      />
    </Surround>
  );
}

/** One of several. */
export function SelectField({
  label,
  help,
  error,
  children,
  ...select
}: Around & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId();
  return (
    <Surround id={id} label={label} help={help} error={error}>
      <select id={id} {...select} className={css.input} aria-describedby={`${id}-help`}>
        {children}
      </select>
    </Surround>
  );
}

function Surround({ id, label, help, error, children }: Around & { id: string; children: ReactNode }) {
  return (
    <div className={css.field}>
      <label htmlFor={id}>{label}</label>
      {children}
      <div id={`${id}-help`} className={css.help}>
        {error ? <span className={css.error}>{error}</span> : help}
      </div>
    </div>
  );
}
