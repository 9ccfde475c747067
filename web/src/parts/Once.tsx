import { useState } from 'react';
import { Button } from './Button';
import css from './Once.module.css';

/** Something that is shown this once, such as a token, to be copied. */
export function Once({ label, text }: { label: string; text: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <div className={css.once} role="status">
      <p>{label}</p>
      <div className={css.line}>
        <code className={css.text}>{text}</code>
        <Button
          onClick={() => {
            navigator.clipboard?.writeText(text).then(() => setCopied(true));
          }}
        >
          {copied ? 'Copied' : 'Copy'}
        </Button>
      </div>
    </div>
  );
}
