import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, useId } from 'react';
import css from './Field.module.css';

interface About {
  label: string;
  /** What it does, in a sentence. */
  help?: ReactNode;
  problem?: string | undefined;
}

/** A line of text with its name, its explanation and what is wrong with it. */
export function Text({
  label,
  help,
  problem,
  mono = false,
  onText,
  ...rest
}: About & { mono?: boolean; onText: (text: string) => void } & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className={css.field}>
      <label htmlFor={id}>{label}</label>
      <input
        {...rest}
        id={id}
        className={`${css.input} ${mono ? css.mono : ''}`}
        aria-describedby={`${id}-help`}
        aria-invalid={problem ? true : undefined}
        onChange={(event) => onText(event.target.value)}
      />
      <Help id={`${id}-help`} help={help} problem={problem} />
    </div>
  );
}

export function Choice({
  label,
  help,
  problem,
  options,
  onPick,
  ...rest
}: About & {
  options: [string, string][];
  onPick: (value: string) => void;
} & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId();
  return (
    <div className={css.field}>
      <label htmlFor={id}>{label}</label>
      <select
        {...rest}
        id={id}
        className={css.input}
        aria-describedby={`${id}-help`}
        onChange={(event) => onPick(event.target.value)}
      >
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      <Help id={`${id}-help`} help={help} problem={problem} />
    </div>
  );
}

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
    <div className={css.check}>
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
        <div key={option} className={css.check}>
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

export function Help({ id, help, problem }: { id: string; help?: ReactNode; problem?: string | undefined }) {
  if (!help && !problem) return <p id={id} hidden />;
  return (
    <p id={id} className={problem ? css.problem : css.help}>
      {problem ?? help}
    </p>
  );
}
