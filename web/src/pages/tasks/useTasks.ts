import { type InfiniteData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import { call } from '@/api/call';
import { getTask, listTasks, type Task, type TaskKind, type TaskSummary } from '@/api/generated';
import { every, onChange } from '@/api/live';
import { queryClient } from '@/api/queries';
import { isOver } from '@/api/tasks';
import { merged, type Pages } from './list';

const PAGE = 100;
/** What changes is read so soon, and so many tasks by themselves; more by the first page. */
const LOOK_MS = 400;
const SINGLE = 4;

export interface Scope {
  environment: string | undefined;
  kind: TaskKind | undefined;
}

async function page({ environment, kind }: Scope, cursor: string | undefined, signal: AbortSignal) {
  const query = {
    limit: PAGE,
    ...(environment !== undefined && { environment }),
    ...(kind !== undefined && { kind }),
    ...(cursor !== undefined && { cursor }),
  };
  const { items, next_cursor } = await call(listTasks({ query, signal }));
  return { items, next_cursor: next_cursor ?? null };
}

/** The tasks of an environment and kind, newest first: a page at a time, and what is read stays up to date. */
export function useTasks(scope: Scope) {
  const { environment, kind } = scope;
  const key = useMemo(
    () => ['tasks', { environment: environment ?? null, kind: kind ?? null }],
    [environment, kind],
  );
  const list = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => page(scope, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    // Kept up to date by what follows, not by reading a hundred pages again.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 30 * 60_000,
  });
  const head = useQuery({
    queryKey: ['head', key],
    queryFn: async ({ signal }) => {
      const { items } = await page(scope, undefined, signal);
      take(key, items);
      await further(key, new Set(items.map(({ id }) => id)), signal);
      return items.length;
    },
    refetchInterval: () => every(3_000)(),
    enabled: list.isSuccess,
  });
  const { refetch } = head;
  useEffect(() => {
    const changed = new Set<string>();
    let due: ReturnType<typeof setTimeout> | undefined;
    const look = () => {
      due = undefined;
      const ids = [...changed];
      changed.clear();
      const known = new Set(
        queryClient.getQueryData<Pages>(key)?.pages.flatMap(({ items }) => items.map(({ id }) => id)),
      );
      const single = ids.filter((id) => known.has(id)).slice(0, SINGLE);
      if (single.length < ids.length) void refetch({ cancelRefetch: false });
      for (const id of single) {
        void call(getTask({ path: { id } })).then((task) => take(key, [summary(task)]), ignored);
      }
    };
    const unhear = onChange((id) => {
      changed.add(id);
      due ??= setTimeout(look, LOOK_MS);
    });
    return () => {
      unhear();
      clearTimeout(due);
    };
  }, [key, refetch]);
  const tasks = useMemo(() => list.data?.pages.flatMap(({ items }) => items) ?? [], [list.data]);
  return { list, tasks };
}

/** How many tasks beyond the first page are read again at once, and how seldom. */
const FURTHER = 20;
const FURTHER_MS = 15_000;
let furtherAt = 0;

/** Old tasks that had not ended when they were read. */
async function further(
  key: readonly unknown[],
  read: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  if (Date.now() - furtherAt < FURTHER_MS) return;
  furtherAt = Date.now();
  const all = queryClient.getQueryData<Pages>(key)?.pages.flatMap(({ items }) => items) ?? [];
  const open = all.filter((task) => !isOver(task) && !read.has(task.id)).slice(0, FURTHER);
  const now = await Promise.all(open.map(({ id }) => call(getTask({ path: { id }, signal })).catch(ignored)));
  take(
    key,
    now.flatMap((task) => (task ? [summary(task)] : [])),
  );
}

function take(key: readonly unknown[], news: readonly TaskSummary[]): void {
  queryClient.setQueryData<InfiniteData<unknown>>(
    key,
    (before) => before && merged(before as unknown as Pages, news),
  );
}

/** A task as lists have it: without its turns. */
function summary({ turns: _, approval: __, ...rest }: Task): TaskSummary {
  return rest;
}

/** It is asked again soon, and whether the server answers is said elsewhere. */
const ignored = () => undefined;
