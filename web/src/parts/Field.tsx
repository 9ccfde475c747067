import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, useId } from 'react';
import css from './Field.module.css';

/** A named input with what it is for, and what is wrong with it. */
export function Field({
  label,
  help,
  wrong,
  children,
}: {
  label: string;
  help?: ReactNode;
  wrong?: string | undefined;
  children: (props: {
    id: string;
    'aria-describedby': string;
    'aria-invalid': true | undefined;
  }) => ReactNode;
}) {
  const id = useId();
  return (
    <div className={css.field}>
      <label className={css.label} htmlFor={id}>
        {label}
      </label>
      {children({ id, 'aria-describedby': `${id}-help`, 'aria-invalid': wrong ? true : undefined })}
      <span id={`${id}-help`} className={wrong ? css.wrong : css.help}>
        {wrong ?? help}
      </span>
    </div>
  );
}

/** One of a few values, all of them in sight. */
export function Segments<T extends string | number>({
  label,
  values,
  value,
  onChange,
  text = String,
}: {
  label: string;
  values: readonly T[];
  value: T;
  onChange: (value: T) => void;
  text?: (value: T) => string;
}) {
  const name = useId();
  return (
    <fieldset>
      <legend className="visually-hidden">{label}</legend>
      <span className={css.segments}>
        {values.map((one) => (
          <label key={one}>
            <input type="radio" name={name} checked={one === value} onChange={() => onChange(one)} />
            {text(one)}
          </label>
        ))}
      </span>
    </fieldset>
  );
}

type Around = { label: string; help?: ReactNode; error?: string | undefined };

/** A line of text in a form. */
export function TextField({ label, help, error, ...input }: Around & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <Field label={label} help={help} wrong={error}>
      {(props) => <input {...input} {...props} className={css.text} />}
    </Field>
  );
}

/** One of several, in a form. */
export function SelectField({
  label,
  help,
  error,
  children,
  ...select
}: Around & SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <Field label={label} help={help} wrong={error}>
      {(props) => (
        <select {...select} {...props} className={css.select}>
          {children}
        </select>
      )}
    </Field>
  );
}
