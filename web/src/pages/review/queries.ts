import { queryOptions } from '@tanstack/react-query';
import { call } from '@/api/call';
import { type Attempt, getAttemptDiff, getTask } from '@/api/generated';
import { getParts, listComments, listViewed } from '@/api/later-review';
import { ApiError } from '@/api/problem';
import { type FilePatch, parsePatch } from './patch';

/** A diff as it came, and read. */
export interface Diff {
  text: string;
  files: FilePatch[];
}

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
    queryFn: async ({ signal }): Promise<Diff | null> => {
      try {
        const text = await call(
          getAttemptDiff({ path: { id }, query: repository ? { repository } : {}, parseAs: 'text', signal }),
        );
        return { text, files: parsePatch(text) };
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
    // What ended does not change.
    staleTime: ended ? Number.POSITIVE_INFINITY : 5_000,
    // The same diff once more is no reason to draw it anew.
    structuralSharing: (before, now) =>
      (before as Diff | null | undefined)?.text === (now as Diff | null)?.text ? before : now,
  });
};

export const commentsQuery = (task: string) =>
  queryOptions({
    // With the task's other queries it is read again when the task changes.
    queryKey: ['task', task, 'comments', 'all'],
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
