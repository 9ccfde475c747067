import { queryOptions } from '@tanstack/react-query';
import { call } from '@/api/call';
import { type Attempt, getAttemptDiff, getAttemptDiffParts, listViewed } from '@/api/generated';
import { ApiError } from '@/api/problem';
import { type FilePatch, parsePatch } from './patch';

/** A diff as it came, and read. */
export interface Diff {
  text: string;
  files: FilePatch[];
}

const ENDED = new Set(['succeeded', 'failed', 'cancelled']);

/** The same as long as the diff is. */
const stageOf = (state: string, diff: Attempt['diff']) =>
  ENDED.has(state) ? 'ended' : `${diff?.files_changed}+${diff?.lines_added}-${diff?.lines_removed}`;

/** An attempt's diff, read; while it runs, that of its last checkpoint. */
export const diffQuery = (attempt: Attempt, repository: string | undefined) => {
  const { id, state, diff } = attempt;
  const ended = ENDED.has(state);
  return queryOptions({
    queryKey: ['diff', id, repository ?? '', stageOf(state, diff)],
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

export const viewedQuery = (id: string) =>
  queryOptions({
    queryKey: ['attempt', id, 'viewed'],
    queryFn: async ({ signal }) => (await call(listViewed({ path: { id }, signal }))).items,
  });

/** The ids of its files and hunks. Those of an attempt that runs are others with each checkpoint. */
export const partsQuery = ({ id, state, diff }: Attempt, repository: string | undefined) =>
  queryOptions({
    queryKey: ['parts', id, repository ?? '', stageOf(state, diff)],
    queryFn: ({ signal }) =>
      call(getAttemptDiffParts({ path: { id }, query: repository ? { repository } : {}, signal })),
    // Also a checkpoint may change lines and not their number.
    staleTime: ENDED.has(state) ? Number.POSITIVE_INFINITY : 5_000,
  });
