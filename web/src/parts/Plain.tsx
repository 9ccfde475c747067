import { memo } from 'react';
import css from './Plain.module.css';
import { pieces } from './plain';

/**
 * Text that others wrote: prompts, titles, messages, names of files, lines of logs. It is shown as text and as nothing else;
 * characters that hide something or turn the direction round are shown as marks; and its direction ends where it ends.
 */
export const Plain = memo(function Plain({ text, lines = false }: { text: string; lines?: boolean }) {
  return (
    <bdi className={lines ? css.lines : undefined}>
      <Marked text={text} lines={lines} />
    </bdi>
  );
});

/** The same without an element of its own, for those who have one already. */
export function Marked({ text, lines = false }: { text: string; lines?: boolean }) {
  const found = pieces(text, lines);
  if (found.length === 0) return null;
  if (found.length === 1 && typeof found[0] === 'string') return found[0];
  let at = 0;
  return found.map((piece) => {
    const key = at;
    at += typeof piece === 'string' ? piece.length : 1;
    return typeof piece === 'string' ? (
      piece
    ) : (
      <span key={key} className={css.mark} title={piece.name}>
        {piece.mark}
      </span>
    );
  });
}
