import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { call } from '@/api/call';
import { type Environment, getCache, getEnvironment, listEnvironments } from '@/api/generated';
import { refusedLately } from './journal';

export const environmentsQuery = queryOptions({
  queryKey: ['environments'],
  queryFn: async ({ signal }) => {
    const found: Environment[] = [];
    let cursor: string | undefined;
    do {
      const page = await call(listEnvironments({ query: { limit: 100, ...(cursor && { cursor }) }, signal }));
      found.push(...page.items);
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
    return found;
  },
});

export const environmentQuery = (id: string) =>
  queryOptions({
    queryKey: ['environment', id],
    queryFn: ({ signal }) => call(getEnvironment({ path: { id }, signal })),
  });

export const cacheQuery = queryOptions({
  queryKey: ['cache'],
  queryFn: ({ signal }) => call(getCache({ signal })),
});

export const refusedQuery = (environment: string, tasks: number) =>
  queryOptions({
    queryKey: ['refused', environment, tasks],
    queryFn: ({ signal }) => refusedLately(environment, tasks, signal),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
