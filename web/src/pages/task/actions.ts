import { useMutation, useQuery } from '@tanstack/react-query';
import { call } from '@/api/call';
import {
  addTurn,
  answerTask,
  cancelAttempt,
  cancelTask,
  interruptTask,
  type NewPublication,
  type NewRetry,
  publishTask,
  retryTask,
  steerTask,
} from '@/api/generated';
import { chooseAttempt, type LaterNewTurn } from '@/api/later';
import { queryClient } from '@/api/queries';
import { meQuery } from '@/app/session';

/** Whether who is signed in may do more than read, comment and approve; servers without roles let everybody. */
export function useMay(): boolean {
  const me = useQuery(meQuery);
  const role = (me.data as { role?: string } | null | undefined)?.role;
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
  useAct(id, ({ key, ...body }: LaterNewTurn & { key: string }) =>
    call(addTurn({ path: { id }, body, ...keyed(key) })),
  );

export const usePublish = (id: string) =>
  useAct(id, ({ key, ...body }: NewPublication & { key: string }) =>
    call(publishTask({ path: { id }, body, ...keyed(key) })),
  );

export const useChoose = (id: string) =>
  useAct(id, ({ turn, attempt }: { turn: number; attempt: number | undefined }) =>
    chooseAttempt(id, turn, attempt),
  );
