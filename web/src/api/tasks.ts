import { queryOptions } from '@tanstack/react-query';
import { call } from './call';
import { getTask, getTaskOverlaps, listComments, listEnvironments, listPublications } from './generated';
import { every } from './live';

export const isOver = ({ status }: { status: string }) => status === 'completed' || status === 'failed';

export const taskQuery = (id: string) =>
  queryOptions({
    queryKey: ['task', id],
    queryFn: ({ signal }) => call(getTask({ path: { id }, signal })),
    refetchInterval: ({ state }) => (state.data && isOver(state.data) ? every(15_000)() : every(2_000)()),
  });

export const overlapsQuery = (id: string) =>
  queryOptions({
    // Not below the task's own key: what others do is not told with its changes.
    queryKey: ['overlaps of', id],
    queryFn: async ({ signal }) => (await call(getTaskOverlaps({ path: { id }, signal }))).items,
    staleTime: 15_000,
    refetchInterval: 60_000,
    retry: false,
  });

export const commentsQuery = (id: string) =>
  queryOptions({
    queryKey: ['task', id, 'comments'],
    // All of them are in one page.
    queryFn: async ({ signal }) => (await call(listComments({ path: { id }, signal }))).items,
  });

export const publicationsQuery = (id: string) =>
  queryOptions({
    queryKey: ['task', id, 'publications'],
    queryFn: async ({ signal }) => (await call(listPublications({ path: { id }, signal }))).items,
    refetchInterval: ({ state }) =>
      state.data?.some(({ state }) => state === 'queued' || state === 'publishing') ? 2_000 : false,
  });

export const environmentsQuery = queryOptions({
  queryKey: ['environments'],
  queryFn: async ({ signal }) => {
    const items = [];
    let cursor: string | undefined;
    do {
      const page = await call(
        listEnvironments({ query: { limit: 100, ...(cursor !== undefined && { cursor }) }, signal }),
      );
      items.push(...page.items);
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined && items.length < 5_000);
    return items;
  },
  staleTime: 30_000,
});
