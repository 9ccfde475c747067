import css from './rows.module.css';
import { hasHidden, parts } from './visible';

/** A name or text of strangers: what would not be seen is shown as a mark; of a text of several lines not their ends. */
export function Hidden({ children, lines = false }: { children: string; lines?: boolean }) {
  if (!hasHidden(children)) return <bdi>{children}</bdi>;
  let at = 0;
  return (
    <bdi>
      {parts(children).map(({ text, mark }) => {
        at += text.length;
        return mark === undefined || (lines && text === '\n') ? (
          text
        ) : (
          <span key={at} className={css.hidden} title={`The character ${mark}, made visible`}>
            {mark}
          </span>
        );
      })}
    </bdi>
  );
}
