import { useState } from 'react';
import { Button } from './Button';
import css from './Copy.module.css';

/** A command to be run elsewhere, and a button that copies it. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <div className={css.copy}>
      <input
        className={css.text}
        readOnly
        value={text}
        aria-label={label}
        onFocus={(event) => event.target.select()}
      />
      <Button
        look="quiet"
        aria-label={`Copy: ${label}`}
        onClick={async () => {
          await copy(text);
          setCopied(true);
          setTimeout(() => setCopied(false), 1_500);
        }}
      >
        {copied ? 'Copied' : 'Copy'}
      </Button>
      <span className="visually-hidden" aria-live="polite">
        {copied ? 'Copied.' : ''}
      </span>
    </div>
  );
}

/** Browsers have the clipboard's interface only for https and this machine. */
export async function copy(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement('textarea');
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}
