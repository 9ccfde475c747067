import { queryOptions } from '@tanstack/react-query';
import { call } from '@/api/call';
import { type Attempt, getAttemptDiff, getTask } from '@/api/generated';
import { getParts, listComments, listViewed } from '@/api/later-review';
import { ApiError } from '@/api/problem';
import { parsePatch } from './patch';

const ENDED = new Set(['succeeded', 'failed', 'cancelled']);

/** An attempt's diff, read; while it runs, that of its last checkpoint. */
export const diffQuery = (attempt: Attempt, repository: string | undefined) => {
  const { id, state, diff } = attempt;
  const ended = ENDED.has(state);
  return queryOptions({
    queryKey: [
      'diff',
      id,
      repository ?? '',
      ended ? 'ended' : `${diff?.files_changed}+${diff?.lines_added}-${diff?.lines_removed}`,
    ],
    queryFn: async ({ signal }) => {
      try {
        const text = await call(
          getAttemptDiff({ path: { id }, query: repository ? { repository } : {}, parseAs: 'text', signal }),
        );
        return parsePatch(text);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
    // What ended does not change.
    staleTime: ended ? Number.POSITIVE_INFINITY : 5_000,
    structuralSharing: false,
  });
};

export const commentsQuery = (task: string) =>
  queryOptions({
    queryKey: ['task', task, 'comments'],
    queryFn: ({ signal }) => listComments(task, signal),
  });

export const viewedQuery = (attempt: string) =>
  queryOptions({
    queryKey: ['attempt', attempt, 'viewed'],
    queryFn: ({ signal }) => listViewed(attempt, signal),
  });

export const partsQuery = (attempt: string, repository: string | undefined) =>
  queryOptions({
    queryKey: ['parts', attempt, repository ?? ''],
    queryFn: ({ signal }) => getParts(attempt, repository, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const taskQuery = (id: string) =>
  queryOptions({
    queryKey: ['task', id],
    queryFn: ({ signal }) => call(getTask({ path: { id }, signal })),
  });
