import { memo, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { Plain } from '@/parts/Plain';
import { type Entry, groups, isSame, type Source } from './compare';
import css from './FileDiff.module.css';
import { rowsOf } from './keys';
import { languageOf } from './languages';
import type { FilePatch, Place } from './patch';
import {
  type Cell,
  FILE_LIMIT,
  FileRows,
  type HunkView,
  type Layout,
  ROW,
  type RowPlace,
  stepsOf,
} from './rows';
import rowCss from './rows.module.css';
import type { Work } from './work';

/** Something that stands at a line: a comment, or one that is being written. */
export interface Thread {
  key: string;
  attempt: number;
  /** Absent: on the file. */
  place?: Place;
  content: ReactNode;
}

/** Height of what stands above a hunk. */
const HEAD = 28;
/** Rows that are there at the first paint. */
const FIRST_ROWS = 50;

/** What can be done with a file; the same object for all of them, so that they are drawn only when theirs changed. */
export interface FileActions {
  comment: (path: string, attempt: number, place?: Place, extend?: boolean) => void;
  view: (path: string, viewed: boolean) => void;
  takeHunk: (path: string, attempt: number, index: number) => void;
  takeFile: (path: string, attempt: number) => void;
}

type Numbers = ReadonlySet<number>;

interface Props {
  entry: Entry;
  sources: Source[];
  id: string;
  layout: Layout;
  viewed: boolean;
  open: boolean;
  /** Drawn at once; others when there is time. */
  first: boolean;
  /** Its rows are made before it is near the window. */
  eager: boolean;
  threads: Thread[];
  /** What is taken of it, by source. */
  takenFirst: Numbers;
  takenSecond: Numbers;
  actions: FileActions;
  work: Work;
  watch: (block: HTMLElement, view: HunkView) => void;
  onOpen: (path: string, open: boolean) => void;
}

const CHANGES = { added: 'new', deleted: 'deleted', modified: '', renamed: 'renamed', copied: 'copied' };

/** One file of a diff: what happened to it, and its hunks. */
export const FileDiff = memo(function FileDiff(props: Props) {
  const {
    entry,
    sources,
    id,
    layout,
    viewed,
    open,
    first,
    eager,
    threads,
    takenFirst,
    takenSecond,
    actions,
    work,
    watch,
    onOpen,
  } = props;
  const body = useRef<HTMLDivElement>(null);
  const [rows, setRows] = useState<FileRows>();
  const [hosts, setHosts] = useState<ReadonlyMap<string, HTMLElement>>(NO_HOSTS);
  const file = entry.patches[0] ?? entry.patches[1];
  const size = entry.patches.reduce((sum, patch) => Math.max(sum, patch?.rows ?? 0), 0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: drawn anew when the file or the columns change, not the sources' list
  useLayoutEffect(() => {
    const host = body.current;
    if (!host || !file) return;
    const made = new FileRows(
      host,
      groups(entry, sources),
      sources.length > 1 ? 'unified' : layout,
      languageOf(entry.path),
      digitsOf(entry),
      watch,
      (some) => work.soonest(some),
      takenBy(sources, takenFirst, takenSecond),
    );
    rowsOf.set(host, made);
    const height = size * ROW + HEAD * made.groups.length;
    host.style.containIntrinsicBlockSize = `auto ${height}px`;
    // As high as it will be, until it is.
    host.style.minBlockSize = `${Math.min(size, FILE_LIMIT) * ROW}px`;
    if (first) made.begin(FIRST_ROWS);
    setRows(made);
    // What is near comes first; of a very large diff nothing else is made.
    const near = new IntersectionObserver(
      (seen) => {
        if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
        near.disconnect();
        work.soonest(stepsOf(made));
      },
      { rootMargin: eager ? '200px 0px' : '1000px 0px' },
    );
    near.observe(host);
    if (eager) work.whenIdle(stepsOf(made));
    return () => {
      near.disconnect();
      made.drop();
      setHosts(NO_HOSTS);
    };
  }, [entry, layout, work, watch]);

  useLayoutEffect(() => {
    if (!rows) return;
    const inside = threads.filter((thread) => thread.place);
    if (inside.length > 0 && !rows.filled) rows.finish();
    setHosts((before) => {
      const after = new Map<string, HTMLElement>();
      for (const { key, attempt, place } of inside) {
        const host =
          place && (rows.hostOf(attempt, place, key) ?? rows.hostOf(sources[0]?.attempt ?? 0, place, key));
        if (host) after.set(key, host);
      }
      for (const [key, host] of before) if (!after.has(key)) host.remove();
      return before.size === 0 && after.size === 0 ? before : after;
    });
  }, [rows, threads, sources]);

  useLayoutEffect(() => {
    if (!rows) return;
    rows.isTaken = takenBy(sources, takenFirst, takenSecond);
    for (const view of rows.views) view.setTaken(rows.isTaken(view.cell));
  }, [rows, sources, takenFirst, takenSecond]);

  useLayoutEffect(() => {
    const element = body.current;
    if (!element) return;
    // Closed, it is still found by the browser's own search, which opens it.
    if (open) element.removeAttribute('hidden');
    else element.setAttribute('hidden', 'onbeforematch' in element ? 'until-found' : '');
  }, [open]);
  useEffect(() => {
    const element = body.current;
    const show = () => onOpen(entry.path, true);
    element?.addEventListener('beforematch', show);
    return () => element?.removeEventListener('beforematch', show);
  }, [onOpen, entry.path]);

  if (!file) return null;
  const touched = (target: EventTarget) => rows?.rowOf(target);
  return (
    <section
      className={css.file}
      id={id}
      aria-labelledby={`${id}-name`}
      data-path={entry.path}
      // The browser leaves it out until it is near, and needs to know how high it will be.
      style={{ containIntrinsicBlockSize: `auto ${size * ROW + HEAD * (file.hunks.length + 1)}px` }}
    >
      <div className={css.head}>
        <button
          type="button"
          className={css.fold}
          aria-expanded={open}
          aria-controls={`${id}-body`}
          aria-label={open ? 'Hide its lines' : 'Show its lines'}
          onClick={() => onOpen(entry.path, !open)}
        >
          <span aria-hidden="true">{open ? '▾' : '▸'}</span>
        </button>
        <h3 id={`${id}-name`} className={css.name}>
          {file.oldPath && (
            <>
              <span className={css.old}>
                <Plain text={file.oldPath} />
              </span>
              {' → '}
            </>
          )}
          <Plain text={entry.path} />
        </h3>
        {CHANGES[file.change] && <span className={css.tag}>{CHANGES[file.change]}</span>}
        {file.modes && <span className={css.tag}>mode {file.modes}</span>}
        {sources.length > 1 && <span className={css.tag}>{who(entry, sources)}</span>}
        <Sums files={entry.patches} />
        <span className={css.does}>
          <TakeFile
            entry={entry}
            sources={sources}
            taken={[takenFirst, takenSecond]}
            take={actions.takeFile}
          />
          <button
            type="button"
            className={`${css.act} ${css.say}`}
            aria-label={`Comment on ${entry.path}`}
            onClick={() => actions.comment(entry.path, sources[entry.patches[0] ? 0 : 1]?.attempt ?? 0)}
          >
            Comment
          </button>
          <label className={css.viewed}>
            <input
              type="checkbox"
              checked={viewed}
              aria-label={`Viewed: ${entry.path}`}
              onChange={(event) => actions.view(entry.path, event.target.checked)}
            />
            Viewed
          </label>
        </span>
      </div>
      {threads.map(({ key, place, content }) => !place && <div key={key}>{content}</div>)}
      {file.binary && <p className={css.note}>A binary file: its content is not shown.</p>}
      {!file.binary && size === 0 && <p className={css.note}>{withoutLines(file)}</p>}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the rows' own keys are on the diff around them; this is for pointers */}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: see above */}
      <div
        ref={body}
        id={`${id}-body`}
        className={css.body}
        onClick={(event) => {
          const { target } = event;
          if (!(target instanceof HTMLElement)) return;
          const hunk = target.dataset.take !== undefined && rows?.viewOf(target)?.cell;
          if (hunk) {
            const { attempt, index } = hunk.twin && takenSecond.has(hunk.twin.index) ? hunk.twin : hunk;
            actions.takeHunk(entry.path, attempt, index);
          } else if (target.dataset.more !== undefined) showAll(target, touched(target));
          else if (onNumber(event)) {
            const row = touched(target);
            if (row) actions.comment(entry.path, row.cell.attempt, row.place, event.shiftKey);
          }
        }}
      />
      {threads.map(({ key, content }) => {
        const host = hosts.get(key);
        return host && createPortal(content, host, key);
      })}
      {threads.map(
        ({ key, place, content }) =>
          place &&
          rows?.filled &&
          !hosts.has(key) && (
            <div key={key} className={css.lost}>
              {content}
            </div>
          ),
      )}
    </section>
  );
});

const NO_HOSTS: ReadonlyMap<string, HTMLElement> = new Map();

function Sums({ files }: { files: (FilePatch | undefined)[] }) {
  const file = files[0] ?? files[1];
  if (!file) return null;
  return (
    <span className={css.sums}>
      {file.additions > 0 && <span className={css.plus}>+{file.additions}</span>}{' '}
      {file.deletions > 0 && <span className={css.minus}>−{file.deletions}</span>}
    </span>
  );
}

function TakeFile({
  entry,
  sources,
  taken,
  take,
}: {
  entry: Entry;
  sources: Source[];
  taken: Numbers[];
  take: (path: string, attempt: number) => void;
}) {
  return sources.map(({ attempt }, i) => {
    const file = entry.patches[i];
    if (!file) return null;
    const some = taken[i]?.size ?? 0;
    const whole = some === Math.max(file.hunks.length, 1);
    return (
      <button
        key={attempt}
        type="button"
        className={`${css.act} ${css.take}`}
        aria-pressed={whole}
        onClick={() => take(entry.path, attempt)}
      >
        <span aria-hidden="true">{whole ? '✓ ' : some ? '◐ ' : '○ '}</span>
        {sources.length > 1 && `Attempt ${attempt}: `}
        {whole ? 'taken' : some ? 'partly taken' : 'left out'}
        <span className="visually-hidden">: {entry.path}</span>
      </button>
    );
  });
}

/** What both attempts have is taken when it is taken of either. */
const takenBy =
  (sources: Source[], first: Numbers, second: Numbers) =>
  ({ attempt, index, twin }: Cell) =>
    (attempt === sources[0]?.attempt ? first : second).has(index) ||
    (twin !== undefined && second.has(twin.index));

function who(entry: Entry, sources: Source[]): string {
  if (!entry.patches[0]) return `only attempt ${sources[1]?.attempt}`;
  if (!entry.patches[1]) return `only attempt ${sources[0]?.attempt}`;
  return isSame(entry) ? 'the same in both' : 'different';
}

function withoutLines(file: FilePatch): string {
  if (file.change === 'renamed') return 'Renamed; its content stayed.';
  if (file.change === 'added') return 'A new file without content.';
  if (file.change === 'deleted') return 'It was empty, and is deleted.';
  return file.modes ? 'Its mode changed; its content stayed.' : 'Its content stayed.';
}

function digitsOf(entry: Entry): number {
  let highest = 1;
  for (const file of entry.patches)
    for (const hunk of file?.hunks ?? [])
      highest = Math.max(highest, hunk.oldStart + hunk.oldLines, hunk.newStart + hunk.newLines);
  return String(highest).length;
}

/** Whether a click was on a row's numbers: they are in front of its text. */
function onNumber(event: React.MouseEvent): boolean {
  const row = event.target instanceof Element ? event.target.closest(`.${rowCss.line}`) : null;
  if (!row) return false;
  return (
    event.clientX - row.getBoundingClientRect().left <
    Number.parseFloat(getComputedStyle(row).borderLeftWidth)
  );
}

function showAll(button: HTMLElement, row: RowPlace | undefined): void {
  const line = button.closest<HTMLElement>(`.${rowCss.line}`);
  const text = row?.cell.hunk.lines[row.row]?.slice(1);
  if (!line || text === undefined) return;
  line.dataset.whole = '';
  line.textContent = text;
}
