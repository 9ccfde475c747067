import { memo } from 'react';
import { counted, duration } from '../format';
import { Marked, Plain } from '../Plain';
import { Prose } from '../Prose';
import { overwritten, type Span, spans } from './ansi';
import css from './Log.module.css';
import { type Item, LINE_CHARS, type Line, requestText } from './model';

/** One line of output, as a terminal would draw it, with the page's own colours. */
export const OutputLine = memo(function OutputLine({
  line,
  text,
  times,
}: {
  line: Line;
  text: string;
  times: boolean;
}) {
  const cut = text.length > LINE_CHARS;
  const shown = overwritten(cut ? text.slice(0, LINE_CHARS) : text);
  return (
    <div className={line.error ? `${css.line} ${css.stderr}` : css.line}>
      {times && <Clock at={line.at} />}
      {shown.times > 0 && (
        <span className={css.returned} title="The line was written over that often">
          ␍{shown.times > 1 ? `×${shown.times}` : ''}
        </span>
      )}
      {spans(shown.text, line.pen).spans.map((span, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: stretches of one line have no other name
        <Stretch key={at} span={span} />
      ))}
      {shown.text === '' && '\u200a'}
      {cut && <span className={css.more}> … {counted(text.length - LINE_CHARS, 'character')} more</span>}
    </div>
  );
});

function Stretch({ span: { text, pen } }: { span: Span }) {
  const looks = [
    pen.ink && css[`ink${pen.ink}`],
    pen.ground && css[`ground${pen.ground}`],
    pen.inverse && css.inverse,
    pen.bold && css.bold,
    pen.dim && css.dim,
    pen.italic && css.italic,
    pen.underline && css.underline,
    pen.strike && css.strike,
  ].filter(Boolean);
  if (looks.length === 0) return <Marked text={text} />;
  return (
    <span className={looks.join(' ')}>
      <Marked text={text} />
    </span>
  );
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

function Clock({ at }: { at: string }) {
  return (
    <time className={css.clock} dateTime={at}>
      {clock.format(new Date(at))}
    </time>
  );
}

const MARKS = { plain: '·', good: '✓', bad: '✕', warn: '!' } as const;
const PLAN_MARKS: Record<string, string> = { completed: '✓', in_progress: '◐', pending: '○' };

export interface HeadProps {
  item: Item;
  unfolded: boolean;
  onFold: () => void;
  times: boolean;
  /** Whether this is the newest step of an attempt that runs. */
  running: boolean;
}

/** What stands above an item's lines, or is all of it. */
export function Head({ item, unfolded, onFold, times, running }: HeadProps) {
  const time = times && <Clock at={item.at} />;
  switch (item.kind) {
    case 'output':
      return null;
    case 'step':
      return (
        <button type="button" className={css.step} aria-expanded={unfolded} onClick={onFold}>
          <Caret open={unfolded} />
          {time}
          <span className={css.stepName}>{item.step.name}</span>
          {item.step.detail && (
            <span className={css.quiet}>
              <Plain text={item.step.detail} />
            </span>
          )}
          <span className={css.took}>
            {item.step.durationMs === undefined ? (running ? 'running' : '') : duration(item.step.durationMs)}
          </span>
        </button>
      );
    case 'command':
      return (
        <button type="button" className={css.command} aria-expanded={unfolded} onClick={onFold}>
          <Caret open={unfolded} />
          {time}
          <span className={css.prompt}>$</span>
          <code className={unfolded ? css.wrapped : css.oneLine}>
            <Plain text={item.command.text} lines={unfolded} />
          </code>
          <span className={css.took}>
            <CommandEnd command={item.command} lines={item.lines.length} unfolded={unfolded} />
          </span>
        </button>
      );
    case 'message':
      return (
        <div className={css.message}>
          {time}
          <Prose text={item.text} />
          {!item.whole && running && <span className={css.cursor} aria-hidden="true" />}
        </div>
      );
    case 'reasoning':
      return (
        <button type="button" className={css.fold} aria-expanded={unfolded} onClick={onFold}>
          <Caret open={unfolded} />
          {time}
          <span className={unfolded ? css.thoughts : css.oneLine}>
            <span className={css.quiet}>Thinking: </span>
            <Plain text={item.text} lines={unfolded} />
          </span>
        </button>
      );
    case 'said':
      return (
        <div className={css.said}>
          {time}
          <span className={css.who}>
            You{item.accepted === false ? ' (came too late)' : ''}
            {item.number !== undefined && item.accepted === undefined ? ' (not read yet)' : ''}
          </span>
          <Plain text={item.text} lines />
        </div>
      );
    case 'files':
      return (
        <ul className={css.files}>
          {item.files.map(({ path, change }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the list only grows
            <li key={at}>
              {time}
              <span className={css.quiet}>{change}</span> <Plain text={path} />
            </li>
          ))}
        </ul>
      );
    case 'network':
      return <Network item={item} unfolded={unfolded} onFold={onFold} />;
    case 'plan':
      return (
        <ol className={css.plan} aria-label="Plan">
          {item.entries.map(({ text, status }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: entries have no other name
            <li key={at} className={status === 'completed' ? css.quiet : undefined}>
              <span aria-hidden="true">{PLAN_MARKS[status] ?? '○'}</span> <Plain text={text} />
              <span className="visually-hidden"> {status.replaceAll('_', ' ')}</span>
            </li>
          ))}
        </ol>
      );
    case 'note':
      return (
        <div className={`${css.note} ${css[item.tone]}`}>
          {time}
          <span aria-hidden="true" className={css.noteMark}>
            {MARKS[item.tone]}
          </span>
          <span>
            <Plain text={item.text} lines />
            {item.detail && (
              <span className={css.detail}>
                <Plain text={item.detail} lines />
              </span>
            )}
          </span>
        </div>
      );
  }
}

export const Caret = ({ open }: { open: boolean }) => (
  <span aria-hidden="true" className={css.caret}>
    {open ? '▾' : '▸'}
  </span>
);

function CommandEnd({
  command,
  lines,
  unfolded,
}: {
  command: { ended: boolean; exitCode?: number | undefined; durationMs?: number | undefined };
  lines: number;
  unfolded: boolean;
}) {
  const parts = [];
  if (!unfolded && lines > 0) parts.push(counted(lines, 'line'));
  if (command.durationMs !== undefined) parts.push(duration(command.durationMs));
  const failed = command.ended && command.exitCode !== 0;
  return (
    <>
      {parts.join(' · ')}
      {!command.ended && ' running'}
      {failed && (
        <span className={css.badText}>
          {' '}
          ✕ {command.exitCode === undefined ? 'stopped' : `exit ${command.exitCode}`}
        </span>
      )}
      {command.ended && !failed && <span className={css.goodText}> ✓</span>}
    </>
  );
}

function Network({
  item,
  unfolded,
  onFold,
}: {
  item: Extract<Item, { kind: 'network' }>;
  unfolded: boolean;
  onFold: () => void;
}) {
  const refused = item.requests.filter(({ verdict }) => verdict !== 'allowed').length;
  return (
    <div className={css.network}>
      <button type="button" className={css.fold} aria-expanded={unfolded} onClick={onFold}>
        <Caret open={unfolded} />
        <span>
          {counted(item.requests.length, 'network request')}
          {refused > 0 && <span className={css.badText}> · {refused} refused</span>}
        </span>
      </button>
      {unfolded && (
        <ul>
          {item.requests.slice(0, 200).map((request) => (
            <li key={request.host + request.path + request.port + request.method}>
              <Plain text={requestText(request)} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
