import { type InputHTMLAttributes, type ReactNode, useId } from 'react';
import css from './Field.module.css';

interface About {
  label: string;
  /** What it does, in a sentence. */
  help?: ReactNode;
  wrong?: string | undefined;
}

/** A named input with what it is for, and what is wrong with it. */
export function Field({
  label,
  help,
  wrong,
  children,
}: About & {
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
      <Help id={`${id}-help`} help={help} wrong={wrong} />
    </div>
  );
}

/** What an input is for, or what is wrong with it. */
export function Help({ id, help, wrong }: { id: string; help?: ReactNode; wrong?: string | undefined }) {
  if (!help && !wrong) return <p id={id} hidden />;
  return (
    <p id={id} className={wrong ? css.wrong : css.help}>
      {wrong ?? help}
    </p>
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

/** A line of text in a form. */
export function TextField({
  label,
  help,
  wrong,
  mono = false,
  onText,
  ...input
}: About & { mono?: boolean; onText?: (text: string) => void } & Omit<
    InputHTMLAttributes<HTMLInputElement>,
    'onChange'
  >) {
  return (
    <Field label={label} help={help} wrong={wrong}>
      {(props) => (
        <input
          {...input}
          {...props}
          className={`${css.text} ${mono ? css.mono : ''}`}
          onChange={onText && ((event) => onText(event.target.value))}
        />
      )}
    </Field>
  );
}

/** One of several, in a form. */
export function SelectField<T extends string>({
  label,
  help,
  wrong,
  value,
  options,
  onPick,
}: About & { value: T; options: (readonly [T, string])[]; onPick: (value: T) => void }) {
  return (
    <Field label={label} help={help} wrong={wrong}>
      {(props) => (
        <select
          {...props}
          className={css.select}
          value={value}
          onChange={(event) => onPick(event.target.value as T)}
        >
          {options.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** Yes or no, with what it means. */
export function Check({
  label,
  help,
  checked,
  onCheck,
}: {
  label: string;
  help?: ReactNode;
  checked: boolean;
  onCheck: (checked: boolean) => void;
}) {
  const id = useId();
  return (
    <div className={css.explained}>
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={`${id}-help`}
        onChange={(event) => onCheck(event.target.checked)}
      />
      <label htmlFor={id}>{label}</label>
      <Help id={`${id}-help`} help={help} />
    </div>
  );
}

/** One of a few, each with what it means. */
export function Radios<T extends string>({
  label,
  value,
  options,
  onPick,
}: {
  label: string;
  value: T;
  options: [T, string, string][];
  onPick: (value: T) => void;
}) {
  const id = useId();
  return (
    <fieldset className={css.radios}>
      <legend>{label}</legend>
      {options.map(([option, text, help]) => (
        <div key={option} className={css.explained}>
          <input
            id={`${id}-${option}`}
            type="radio"
            name={id}
            checked={value === option}
            aria-describedby={`${id}-${option}-help`}
            onChange={() => onPick(option)}
          />
          <label htmlFor={`${id}-${option}`}>{text}</label>
          <Help id={`${id}-${option}-help`} help={help} />
        </div>
      ))}
    </fieldset>
  );
}
