import '@/styles/code.css';
import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import {
  type KeyboardEvent,
  useCallback,
  useDeferredValue,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from 'react';
import { call } from '@/api/call';
import { type Attempt, type Comment, markViewed } from '@/api/generated';
import { commentsQuery } from '@/api/tasks';
import { meQuery } from '@/app/session';
import { Button } from '@/parts/Button';
import { Empty } from '@/parts/Empty';
import { Failed } from '@/parts/Failed';
import { Approvals } from './Approvals';
import { CommentThread, NewCommentForm } from './Comments';
import { Composition } from './Composition';
import { entries as entriesOf, type Source } from './compare';
import { DiffView } from './DiffView';
import type { FileActions, Thread } from './FileDiff';
import { FileList } from './FileList';
import { Cursor } from './keys';
import type { Place } from './patch';
import { diffQuery, partsQuery, viewedQuery } from './queries';
import css from './Review.module.css';
import type { Layout } from './rows';
import { count, initial, request, type Taken, toggle, toggleFile } from './selection';

interface Draft {
  path: string;
  attempt: number;
  place?: Place;
  end?: number;
}

const LAYOUT = 'outwork.diff.layout';

/** Reading an attempt's diff: files, lines, comments, what is taken of it, and whether it may leave. */
export function Review({
  taskId,
  turn,
  attempt,
  attempts,
}: {
  taskId: string;
  turn: number;
  attempt: Attempt;
  attempts: Attempt[];
}) {
  const [repository, setRepository] = useState<string>();
  const [compared, setCompared] = useState<number>();
  const repositories = (attempt.diffs ?? []).map((one) => one.repository);
  const other = attempts.find((one) => one.number === compared && one.id !== attempt.id);
  const shown = other ? [attempt, other] : [attempt];
  const diffs = useQueries({ queries: shown.map((one) => diffQuery(one, repository)) });
  const failed = diffs.find((diff) => diff.error)?.error;
  const waits = diffs.some((diff) => diff.isPending);
  const first = diffs[0]?.data?.files;
  const second = diffs[1]?.data?.files;
  const sources = useMemo<Source[]>(() => {
    if (!first) return [];
    const found = [{ attempt: attempt.number, files: first }];
    return other && second ? [...found, { attempt: other.number, files: second }] : found;
  }, [first, second, attempt.number, other]);

  const others = attempts.filter((one) => one.id !== attempt.id && one.diff);
  const tools = (
    <>
      {repositories.length > 1 && (
        <Pick
          label="Repository"
          value={repository ?? repositories[0] ?? ''}
          options={repositories.map((name) => [name, name])}
          onPick={setRepository}
        />
      )}
      {others.length > 0 && (
        <Pick
          label="Compare with"
          value={String(other?.number ?? '')}
          options={[
            ['', 'nothing'],
            ...others.map(({ number }): [string, string] => [String(number), `attempt ${number}`]),
          ]}
          onPick={(number) => setCompared(number ? Number(number) : undefined)}
        />
      )}
    </>
  );
  if (failed) return <Failed error={failed} reset={() => diffs.forEach((diff) => void diff.refetch())} />;
  if (waits) return <p className={css.waits}>Reading the diff …</p>;
  if (!first)
    return (
      <Empty title="There is no diff yet.">
        <p>It is here as soon as the agent has changed something and a checkpoint was taken.</p>
      </Empty>
    );
  if (first.length === 0 && !other)
    return (
      <section className={css.review}>
        <div className={css.tools}>{tools}</div>
        <Empty title={`Attempt ${attempt.number} changed nothing.`}>
          <p>A follow-up can say more about what is to be done.</p>
        </Empty>
      </section>
    );
  return (
    <Sheet
      key={`${attempt.id} ${repository ?? ''} ${other?.id ?? ''}`}
      taskId={taskId}
      turn={turn}
      attempts={shown}
      sources={sources}
      repository={repository}
      name={repository ?? repositories[0]}
      tools={tools}
    />
  );
}

interface SheetProps {
  taskId: string;
  turn: number;
  attempts: Attempt[];
  sources: Source[];
  /** What requests name; the first need not be named. */
  repository: string | undefined;
  name: string | undefined;
  tools: React.ReactNode;
}

function Sheet({ taskId, turn, attempts, sources, repository, name, tools }: SheetProps) {
  const queries = useQueryClient();
  const entries = useMemo(() => entriesOf(sources), [sources]);
  const attempt = attempts[0] as Attempt;
  const [layout, setLayout] = useState<Layout>(() =>
    localStorage.getItem(LAYOUT) === 'split' ? 'split' : 'unified',
  );
  const mine = useQuery(meQuery).data?.principal_id;

  // What was looked at.
  const seen = useQuery(viewedQuery(attempt.id));
  const view = useMutation({
    mutationFn: ({ path, viewed }: { path: string; viewed: boolean }) =>
      Promise.all(
        attempts
          .filter((_, i) => sources[i]?.files.some((file) => file.path === path))
          .map(({ id }) =>
            call<unknown>(
              markViewed({ path: { id }, body: { path, viewed, ...(repository && { repository }) } }),
            ),
          ),
      ),
    onMutate: ({ path, viewed }) => {
      queries.setQueryData(viewedQuery(attempt.id).queryKey, (before) => [
        ...(before ?? []).filter((one) => !(one.path === path && isOf(one, name))),
        ...(viewed ? [{ path, repository: name ?? '', viewed_at: new Date().toISOString() }] : []),
      ]);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: viewedQuery(attempt.id).queryKey }),
  });
  const viewed = useMemo(
    () => new Set(seen.data?.filter((one) => isOf(one, name)).map(({ path }) => path)),
    [seen.data, name],
  );

  // A viewed file is closed, until somebody opens it.
  const [opened, setOpened] = useState<ReadonlyMap<string, boolean>>(new Map());
  const onOpen = useCallback(
    (path: string, open: boolean) => setOpened((before) => new Map(before).set(path, open)),
    [],
  );
  const closed = useMemo(
    () =>
      new Set(entries.filter(({ path }) => !(opened.get(path) ?? !viewed.has(path))).map(({ path }) => path)),
    [entries, opened, viewed],
  );

  // Comments.
  const comments = useQuery(commentsQuery(taskId));
  const [draft, setDraft] = useState<Draft>();
  const numbers = useMemo(() => new Set(sources.map((source) => source.attempt)), [sources]);
  const said = useMemo(
    () =>
      comments.data?.filter((one) => one.turn === turn && numbers.has(one.attempt) && isOf(one, name)) ?? [],
    [comments.data, turn, numbers, name],
  );
  const threads = useMemo(() => {
    const found = new Map<string, Thread[]>();
    const add = (path: string, thread: Thread) => found.set(path, [...(found.get(path) ?? []), thread]);
    for (const [key, some] of byPlace(said)) {
      const [{ path, attempt, side, line, end_line } = NOTHING] = some;
      const place = line == null ? {} : { place: { side, line: end_line ?? line } };
      add(path, { key, attempt, ...place, content: <CommentThread comments={some} me={mine} /> });
    }
    if (draft) {
      const { path, attempt, place, end } = draft;
      const [line, end_line] = place ? [place.line, end].sort((a, b) => (a ?? 0) - (b ?? 0)) : [];
      const range =
        place && end !== undefined && end !== place.line ? { line, end_line } : { line: place?.line };
      add(path, {
        key: 'draft',
        attempt,
        ...(place && { place: { ...place, line: Math.max(place.line, end ?? 0) } }),
        content: (
          <NewCommentForm
            task={taskId}
            about={{
              turn,
              attempt,
              path,
              side: place?.side ?? 'new',
              ...(range.line !== undefined && (range as { line: number; end_line?: number })),
              ...(repository && { repository }),
            }}
            onClose={() => setDraft(undefined)}
          />
        ),
      });
    }
    return found;
  }, [said, draft, mine, taskId, turn, repository]);
  const openComments = useMemo(() => {
    const found = new Map<string, number>();
    for (const one of said) if (!one.resolved_at) found.set(one.path, (found.get(one.path) ?? 0) + 1);
    return found;
  }, [said]);

  // What is taken. Before anything was left out, everything of the first attempt is.
  const parts = useQueries({ queries: attempts.map((one) => partsQuery(one, repository)) });
  const composable = parts.every((one) => one.data);
  const [choosing, setChoosing] = useState(false);
  const [chosen, setChosen] = useState<Taken>();
  const untouched = useMemo(() => initial(sources), [sources]);
  const taken = chosen ?? untouched;
  const sum = useMemo(() => count(taken, sources), [taken, sources]);
  const change = useCallback(
    (by: (before: Taken) => Taken) => {
      setChoosing(true);
      setChosen((before) => by(before ?? untouched));
    },
    [untouched],
  );

  const can = { comment: comments.data !== undefined, view: seen.data !== undefined, take: composable };
  const allowed = useRef(can);
  allowed.current = can;
  const actions = useMemo<FileActions>(
    () => ({
      comment: (path, attempt, place, extend) =>
        allowed.current.comment &&
        setDraft((before) =>
          extend && place && before?.path === path && before.place?.side === place.side
            ? { ...before, end: place.line }
            : { path, attempt, ...(place && { place }) },
        ),
      view: (path, viewed) => {
        onOpen(path, !viewed);
        view.mutate({ path, viewed });
      },
      takeHunk: (path, attempt, index) => change((before) => toggle(before, sources, attempt, path, index)),
      takeFile: (path, attempt) => change((before) => toggleFile(before, sources, attempt, path)),
    }),
    [sources, change, onOpen, view.mutate],
  );

  const unresolved = said.filter((one) => !one.resolved_at).length;
  const jump = useRef<(path: string) => void>(undefined);
  const go = useCallback((path: string) => jump.current?.(path), []);
  const [listed, setListed] = useState(false);
  const shownThreads = useDeferredValue(threads);
  const cursor = useCursor(actions, can, viewed);
  const heading = useId();
  return (
    <section
      className={css.review}
      aria-labelledby={heading}
      data-choosing={choosing && can.take}
      data-comment={can.comment}
      data-view={can.view}
    >
      <div className={css.tools}>
        <h2 id={heading} className={css.title}>
          {entries.length} {entries.length === 1 ? 'file' : 'files'}
          {sources.map((source) => (
            <Sum key={source.attempt} source={source} named={sources.length > 1} />
          ))}
        </h2>
        {(can.view || seen.isPending) && (
          <span className={css.progress} data-waits={seen.isPending || undefined}>
            <progress max={entries.length} value={viewed.size} aria-label="Files viewed" /> {viewed.size} of{' '}
            {entries.length} viewed
          </span>
        )}
        {said.length > 0 && (
          <span className={css.quiet}>
            {unresolved} open {unresolved === 1 ? 'comment' : 'comments'}
          </span>
        )}
        <span className={css.choices}>
          {tools}
          {sources.length === 1 && (
            <Pick
              label="Columns"
              value={layout}
              options={[
                ['unified', 'one'],
                ['split', 'two'],
              ]}
              onPick={(value) => {
                localStorage.setItem(LAYOUT, value);
                setLayout(value as Layout);
              }}
            />
          )}
          {(can.take || parts.some((one) => one.isPending)) && (
            <Button
              look="quiet"
              disabled={!can.take}
              aria-pressed={choosing}
              onClick={() => setChoosing(!choosing)}
            >
              {choosing ? '✓ ' : ''}Choose hunks
            </Button>
          )}
        </span>
      </div>
      <Approvals taskId={taskId} turn={turn} attempt={attempt.number} me={mine} />
      <div className={css.sheet}>
        <div className={css.files} data-open={listed}>
          <button
            type="button"
            className={css.filesButton}
            aria-expanded={listed}
            onClick={() => setListed(!listed)}
          >
            <span aria-hidden="true">{listed ? '▾' : '▸'}</span> Files
          </button>
          <FileList entries={entries} viewed={viewed} open={openComments} onGo={go} />
        </div>
        <section
          ref={cursor.root}
          className={css.diff}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: its lines are reached with keys
          tabIndex={0}
          aria-label="Diff"
          aria-describedby={`${heading}-keys`}
          onKeyDown={cursor.onKeyDown}
        >
          <DiffView
            entries={entries}
            sources={sources}
            layout={layout}
            viewed={viewed}
            closed={closed}
            onOpen={onOpen}
            threads={shownThreads}
            taken={taken}
            actions={actions}
            jump={jump}
          />
        </section>
      </div>
      <p id={`${heading}-keys`} className={css.keys}>
        In the diff: <kbd>j</kbd> <kbd>k</kbd> lines, <kbd>n</kbd> <kbd>p</kbd> hunks
        {can.comment && (
          <>
            , <kbd>c</kbd> comment
          </>
        )}
        {can.view && (
          <>
            , <kbd>v</kbd> viewed
          </>
        )}
        {can.take && (
          <>
            , <kbd>x</kbd> take or leave
          </>
        )}
      </p>
      <p ref={cursor.says} className="visually-hidden" aria-live="polite" />
      {choosing && can.take && (sum.left > 0 || sum.added > 0) && (
        <Composition
          taskId={taskId}
          turn={turn}
          count={sum}
          other={sources[1]?.attempt}
          parts={() =>
            request(
              taken,
              sources,
              new Map(attempts.map(({ number }, i) => [number, parts[i]?.data ?? { files: [] }])),
              repository,
            )
          }
          onReset={() => setChosen(undefined)}
        />
      )}
    </section>
  );
}

/** What can be done: each as soon as what it needs was read. */
interface Can {
  comment: boolean;
  view: boolean;
  take: boolean;
}

/** The line that keys are about. */
function useCursor(actions: FileActions, can: Can, viewed: ReadonlySet<string>) {
  const root = useRef<HTMLElement>(null);
  const says = useRef<HTMLParagraphElement>(null);
  const cursor = useRef<Cursor>(undefined);
  useEffect(() => {
    cursor.current = root.current ? new Cursor(root.current) : undefined;
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    const at = cursor.current;
    const { target, key } = event;
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target instanceof Element && target.closest('input:not([type=checkbox]), textarea, select')) return;
    const move = MOVES[key];
    const now = at.current;
    if (move) {
      const row = at.move(...move);
      if (row && says.current) says.current.textContent = `${row.dataset.n?.trim()}: ${row.textContent}`;
    } else if (!now) return;
    else if (key === 'Escape') at.clear();
    else if (key === 'c' && can.comment) actions.comment(now.path, now.cell.attempt, now.place);
    else if (key === 'v' && can.view) actions.view(now.path, !viewed.has(now.path));
    else if (key === 'x' && can.take) actions.takeHunk(now.path, now.cell.attempt, now.cell.index);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return { root, says, onKeyDown };
}

const MOVES: Record<string, [1 | -1, boolean]> = {
  j: [1, false],
  k: [-1, false],
  n: [1, true],
  p: [-1, true],
};

function Sum({ source, named }: { source: Source; named: boolean }) {
  const sum = (of: 'additions' | 'deletions') => source.files.reduce((all, file) => all + file[of], 0);
  return (
    <>
      {named ? `, attempt ${source.attempt} ` : ' '}
      <span className={css.plus}>+{sum('additions')}</span>{' '}
      <span className={css.minus}>−{sum('deletions')}</span>
    </>
  );
}

function Pick({
  label,
  value,
  options,
  onPick,
}: {
  label: string;
  value: string;
  options: [string, string][];
  onPick: (value: string) => void;
}) {
  return (
    <label className={css.pick}>
      {label}
      <select value={value} onChange={(event) => onPick(event.target.value)}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

const NOTHING = { path: '', attempt: 0, side: 'new' as const, line: null, end_line: null };

/** What is said about the same lines, together. */
function byPlace(comments: Comment[]): Map<string, Comment[]> {
  const found = new Map<string, Comment[]>();
  for (const one of comments) {
    const key = `${one.path} ${one.attempt} ${one.side} ${one.end_line ?? one.line ?? 'file'}`;
    found.set(key, [...(found.get(key) ?? []), one]);
  }
  return found;
}

/** Whether it is about the repository; without a name there is only one. */
const isOf = ({ repository }: { repository: string }, name: string | undefined) =>
  name === undefined || repository === name;
