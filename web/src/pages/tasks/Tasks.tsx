import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import {
  useCallback,
  useDeferredValue,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import type { TaskKind } from '@/api/generated';
import { environmentsQuery } from '@/api/tasks';
import { useKeys } from '@/app/keys/keys';
import { buttonClass } from '@/parts/Button';
import { Empty } from '@/parts/Empty';
import { Failed } from '@/parts/Failed';
import { Segments } from '@/parts/Field';
import { number } from '@/parts/format';
import { Refused } from '@/parts/Refused';
import { filtered, STATUS_FILTERS, type StatusFilter } from './list';
import { TaskRow } from './TaskRow';
import css from './Tasks.module.css';
import { useTasks } from './useTasks';

const FILTERS = Object.keys(STATUS_FILTERS) as StatusFilter[];
/** So near to the end of what was read, more is read. */
const AHEAD = 40;

/** All tasks, newest first. */
export function Tasks() {
  const search = useSearch({ from: '/inside/' });
  const navigate = useNavigate({ from: '/' });
  const status = FILTERS.find((one) => one === search.status) ?? 'all';
  const kind = search.kind === 'code' || search.kind === 'review' ? search.kind : undefined;
  const text = typeof search.q === 'string' ? search.q : '';
  const environment = search.environment || undefined;
  const set = (to: Record<string, string | undefined>) =>
    void navigate({ search: (before) => ({ ...before, ...to }), replace: true });

  const { list, tasks } = useTasks({ environment, kind });
  const wanted = useDeferredValue(text);
  const shown = useMemo(() => filtered(tasks, { status, text: wanted }), [tasks, status, wanted]);
  const asks = useMemo(() => filtered(tasks, { status: 'asks', text: '' }).length, [tasks]);
  const narrow = status !== 'all' || wanted.trim() !== '';
  const { hasNextPage, isFetchingNextPage, isError, fetchNextPage } = list;

  const top = useRef<HTMLUListElement>(null);
  const [offset, setOffset] = useState(0);
  useEffect(() => setOffset(top.current?.offsetTop ?? 0), []);
  const height = useNarrow() ? 60 : 38;
  const rows = useWindowVirtualizer({
    count: shown.length,
    estimateSize: useCallback(() => height, [height]),
    // Another function each time would make it measure all tasks again each time.
    getItemKey: useCallback((index: number) => shown[index]?.id ?? index, [shown]),
    scrollMargin: offset,
    overscan: 12,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another height is the reason
  useEffect(() => rows.measure(), [rows, height]);
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  // What a search looks for may stand on any page, so that all are read; else as far as somebody scrolls.
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && !isError && (narrow || last > tasks.length - AHEAD))
      void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, isError, fetchNextPage, narrow, last, tasks.length]);

  const [at, setAt] = useState(-1);
  const move = (by: number) => {
    // From the row that was left, as long as it is near; else from the first in sight.
    const seen = items.find(({ start }) => start >= scrollY + offset);
    const from = at >= (items[0]?.index ?? 0) && at <= last ? at : (seen?.index ?? 0) - Math.max(by, 0);
    const to = Math.max(0, Math.min(shown.length - 1, from + by));
    setAt(to);
    rows.scrollToIndex(to, { align: 'auto' });
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-at="${to}"] a`)?.focus());
  };
  useKeys('Tasks', {
    j: { text: 'Next task', run: () => move(1) },
    k: { text: 'Task before', run: () => move(-1) },
    '/': { text: 'Search', run: () => document.querySelector<HTMLElement>('[data-search]')?.focus() },
    ...Object.fromEntries(
      FILTERS.map((one, index) => [
        String(index + 1),
        {
          text: `Show: ${STATUS_FILTERS[one]}`,
          run: () => set({ status: one === 'all' ? undefined : one }),
        },
      ]),
    ),
  });

  return (
    <div className={css.page}>
      <h1 className="visually-hidden">Tasks</h1>
      <search className={css.filters}>
        <Segments
          label="Status"
          values={FILTERS}
          value={status}
          text={(one) =>
            one === 'asks' && asks > 0 ? `${STATUS_FILTERS[one]} (${asks})` : STATUS_FILTERS[one]
          }
          onChange={(one) => set({ status: one === 'all' ? undefined : one })}
        />
        <EnvironmentChoice value={environment} onChange={(environment) => set({ environment })} />
        <select
          aria-label="Kind"
          className={css.select}
          value={kind ?? ''}
          onChange={(event) => set({ kind: (event.target.value as TaskKind) || undefined })}
        >
          <option value="">All kinds</option>
          <option value="code">Code</option>
          <option value="review">Review</option>
        </select>
        <input
          type="search"
          data-search
          className={css.search}
          placeholder="Search title, environment, id"
          aria-label="Search title, environment, id"
          value={text}
          onChange={(event) => set({ q: event.target.value || undefined })}
          onKeyDown={(event) => event.key === 'ArrowDown' && move(1)}
        />
        <span className={css.count} role="status">
          {list.isSuccess && (narrow || !hasNextPage) && number(shown.length)}
          {narrow && hasNextPage && ` of ${number(tasks.length)} read so far`}
        </span>
      </search>
      {list.error && tasks.length === 0 && <Failed error={list.error} reset={() => void list.refetch()} />}
      {list.error && tasks.length > 0 && <Refused error={list.error} />}
      {list.isPending && <p className="notice">Reading the tasks…</p>}
      {list.isSuccess && shown.length === 0 && (!narrow || !hasNextPage) && (
        <Nothing narrow={narrow || environment !== undefined || kind !== undefined} />
      )}
      <ul ref={top} className={css.list} style={{ height: rows.getTotalSize() }} aria-label="Tasks">
        {items.map(({ index, key, start }) => {
          const task = shown[index];
          return (
            task && (
              <TaskRow
                key={key}
                task={task}
                index={index}
                count={hasNextPage ? -1 : shown.length}
                top={start - offset}
                onFocus={() => setAt(index)}
              />
            )
          );
        })}
      </ul>
    </div>
  );
}

/** As in Tasks.module.css. */
const narrow = matchMedia('(max-width: 48rem)');

const useNarrow = () =>
  useSyncExternalStore(
    (changed) => {
      narrow.addEventListener('change', changed);
      return () => narrow.removeEventListener('change', changed);
    },
    () => narrow.matches,
  );

function EnvironmentChoice({
  value,
  onChange,
}: {
  value: string | undefined;
  onChange: (to: string | undefined) => void;
}) {
  const environments = useQuery(environmentsQuery);
  const labels = (environments.data ?? []).map(({ label }) => label);
  const all = value === undefined || labels.includes(value) ? labels : [value, ...labels];
  return (
    <select
      aria-label="Environment"
      className={css.select}
      value={value ?? ''}
      onChange={(event) => onChange(event.target.value || undefined)}
    >
      <option value="">All environments</option>
      {all.map((label) => (
        <option key={label}>{label}</option>
      ))}
    </select>
  );
}

function Nothing({ narrow }: { narrow: boolean }) {
  if (narrow) {
    return (
      <Empty title="No task is like that.">
        <Link to="/" search={{}} className={buttonClass()}>
          Show all tasks
        </Link>
      </Empty>
    );
  }
  return (
    <Empty title="There are no tasks yet.">
      <p>
        A task is something that a coding agent is to do in one of your repositories. Start one here, or in a
        terminal with <code>outwork exec "…"</code>.
      </p>
      <Link to="/new" className={buttonClass('main')}>
        New task
      </Link>
    </Empty>
  );
}
