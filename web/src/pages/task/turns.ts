import type { Attempt, Turn } from '@/api/generated';

const ENDED = new Set(['succeeded', 'failed', 'cancelled']);

export const hasEnded = ({ state }: { state: string }) => ENDED.has(state);

export const hasDiff = ({ diff }: Attempt) => diff != null && diff.files_changed > 0;

/** The attempt whose result stands for the turn: what a person chose, what the evidence says, else as the server does. */
export function standing(turn: Turn): Attempt | undefined {
  const numbered = (number: number | null | undefined) =>
    turn.attempts.find((attempt) => attempt.number === number);
  return (
    numbered(turn.chosen?.attempt) ??
    numbered(turn.shown) ??
    numbered(turn.ranking?.best) ??
    turn.attempts.find(({ state }) => state === 'succeeded') ??
    turn.attempts.find(hasDiff)
  );
}

/** What a page about the turn shows at first: who asks, then what stands for it, then what runs. */
export function firstShown(turn: Turn): Attempt | undefined {
  return (
    turn.attempts.find(({ state }) => state === 'awaiting_input') ??
    (turn.attempts.every(hasEnded) ? standing(turn) : undefined) ??
    turn.attempts.find((attempt) => !hasEnded(attempt)) ??
    turn.attempts[0]
  );
}

export type ReplyKind = 'answer' | 'steer' | 'follow-up' | 'none';

/** What somebody can say to a task now, and to which attempt. */
export function replyOf(turn: Turn, shown: Attempt): { kind: ReplyKind; attempt: Attempt } {
  if (shown.state === 'awaiting_input') return { kind: 'answer', attempt: shown };
  const asks = turn.attempts.find(({ state }) => state === 'awaiting_input');
  if (turn.attempts.every(hasEnded)) return { kind: 'follow-up', attempt: shown };
  if (hasEnded(shown) && asks) return { kind: 'answer', attempt: asks };
  if (shown.state === 'running') return { kind: 'steer', attempt: shown };
  return { kind: 'none', attempt: shown };
}
