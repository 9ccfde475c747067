import { type ReactNode, useId, useRef } from 'react';
import { Help } from '@/parts/Field';
import css from './Script.module.css';

/** A script with the numbers of its lines, as the log names them when it fails. */
export function Script({
  label,
  help,
  value,
  rows = 8,
  onText,
}: {
  label: string;
  help?: ReactNode;
  value: string;
  rows?: number;
  onText: (text: string) => void;
}) {
  const id = useId();
  const numbers = useRef<HTMLPreElement>(null);
  const lines = value.split('\n').length;
  return (
    <div className={css.field}>
      <label htmlFor={id}>{label}</label>
      <div className={css.editor}>
        <pre ref={numbers} className={css.numbers} aria-hidden="true">
          {Array.from({ length: lines }, (_, i) => i + 1).join('\n')}
        </pre>
        <textarea
          id={id}
          className={css.text}
          rows={Math.min(24, Math.max(rows, lines + 1))}
          wrap="off"
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          value={value}
          aria-describedby={`${id}-help`}
          onChange={(event) => onText(event.target.value)}
          onScroll={(event) => {
            if (numbers.current) numbers.current.scrollTop = event.currentTarget.scrollTop;
          }}
        />
      </div>
      <Help id={`${id}-help`} help={help} />
    </div>
  );
}
