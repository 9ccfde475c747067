import { useMutation, useQuery } from '@tanstack/react-query';
import { call } from '@/api/call';
import {
  addTurn,
  answerTask,
  cancelAttempt,
  cancelTask,
  chooseAttempt,
  dismissTask,
  interruptTask,
  type NewPublication,
  type NewRetry,
  type NewTurn,
  publishTask,
  restoreTask,
  retryTask,
  steerTask,
  withdrawChoice,
} from '@/api/generated';
import { queryClient } from '@/api/queries';
import { meQuery } from '@/app/session';

/** Whether who is signed in may do more than read, comment and approve; before that is known, the server has to say no. */
export function useMay(): boolean {
  const role = useQuery(meQuery).data?.role;
  return role === undefined || role === 'member' || role === 'admin';
}

/** What people do to a task; each reads the task anew afterwards. */
function useAct<T>(task: string, act: (what: T) => Promise<unknown>) {
  return useMutation({
    mutationFn: act,
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['task', task] }),
  });
}

/** The same request sent again, because its answer was lost, has the same key, so that it is not done twice. */
export const newKey = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
};

const keyed = (key: string) => ({ headers: { 'Idempotency-Key': key } });

export const useCancel = (id: string) =>
  useAct(id, (attempt: string | undefined) =>
    attempt === undefined
      ? call<unknown>(cancelTask({ path: { id } }))
      : call<unknown>(cancelAttempt({ path: { id: attempt } })),
  );

export const useInterrupt = (id: string) =>
  useAct(id, (attempt: number) => call(interruptTask({ path: { id }, body: { attempt } })));

export const useRetry = (id: string) =>
  useAct(id, ({ key, ...body }: NewRetry & { key: string }) =>
    call(retryTask({ path: { id }, body, ...keyed(key) })),
  );

export const useAnswer = (id: string) =>
  useAct(id, ({ key, ...body }: { key: string; text: string; attempt: number }) =>
    call(answerTask({ path: { id }, body, ...keyed(key) })),
  );

export const useSteer = (id: string) =>
  useAct(id, ({ key, ...body }: { key: string; text: string; attempt: number }) =>
    call(steerTask({ path: { id }, body, ...keyed(key) })),
  );

export const useFollowUp = (id: string) =>
  useAct(id, ({ key, ...body }: NewTurn & { key: string }) =>
    call(addTurn({ path: { id }, body, ...keyed(key) })),
  );

export const usePublish = (id: string) =>
  useAct(id, ({ key, ...body }: NewPublication & { key: string }) =>
    call(publishTask({ path: { id }, body, ...keyed(key) })),
  );

export const useChoose = (id: string) =>
  useAct(id, ({ turn, attempt }: { turn: number; attempt: number | undefined }) =>
    attempt === undefined
      ? call<unknown>(withdrawChoice({ path: { id }, query: { turn } }))
      : call<unknown>(chooseAttempt({ path: { id }, body: { turn, attempt } })),
  );

/** Nobody is going to merge what it did, or somebody may after all. */
export const useDismiss = (id: string) =>
  useMutation({
    mutationFn: (dismissed: boolean) =>
      dismissed ? call<unknown>(dismissTask({ path: { id } })) : call<unknown>(restoreTask({ path: { id } })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['overlaps of', id] }),
  });
