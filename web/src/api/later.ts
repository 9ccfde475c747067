import { call } from './call';
import type { Attempt, NewTask, NewTurn, Task, TaskSummary, Turn } from './generated';
import { client } from './generated/client.gen';
import { ApiError } from './problem';

// What servers of this version may not have yet. Where one does not, the page shows nothing in its place.

export type AgentChoice = { name: 'codex'; model?: string } | { name: 'command'; command: string };

export interface Verification {
  state: 'passed' | 'failed' | 'timed_out' | 'not_run' | (string & {});
  command?: string;
  exit_code?: number | null;
  duration_ms?: number;
  tests?: { runner: string; passed: number; failed: number; skipped: number } | null;
  tail?: string;
  with_original_tests?: { state: string; exit_code?: number | null; changed: string[] } | null;
}

export interface Cost {
  currency: string;
  amount: string;
  is_lower_bound: boolean;
}

export interface Ranking {
  verdict: 'decided' | 'tie' | 'none_passed' | 'unverified' | 'nothing_done' | 'pending' | (string & {});
  best?: number | null;
  summary: string;
  places: { attempt: number; place: number; reasons: { kind: string; text: string; good: boolean }[] }[];
}

export type LaterAttempt = Attempt & {
  agent?: string | { name: string; model?: string | null } | null;
  verification?: Verification | null;
  cost?: Cost | null;
};

export type LaterTurn = Omit<Turn, 'attempts'> & {
  attempts: LaterAttempt[];
  ranking?: Ranking | null;
  /** `by` is `prn_…`. */
  chosen?: { attempt: number; by: string; at: string } | null;
  /** The number of the attempt whose diff stands for the turn. */
  shown?: number | null;
  kind?: 'prompt' | 'composition';
  composed_from?: { attempt: number; files: string[]; hunks: string[] }[] | null;
};

export interface Approval {
  needed: number;
  given: { by: { name: string }; at: string }[];
  rejected: { by: { name: string }; at: string }[];
  state: 'not_needed' | 'waiting' | 'approved' | 'rejected' | (string & {});
}

export type LaterSummary = TaskSummary & {
  overlap_count?: number;
  approval_state?: Approval['state'] | null;
};

export type LaterTask = Omit<Task, 'turns'> & {
  turns: LaterTurn[];
  approval?: Approval | null;
  created_by?: { id: string; name: string } | null;
};

export interface Overlap {
  task_id: string;
  title: string;
  status: string;
  url: string;
  paths: string[];
  path_count: number;
  certainty: 'named' | 'touched' | (string & {});
}

export interface Merges {
  base: string;
  /** In this order as many as possible merge cleanly. */
  order: string[];
  clean: string[];
  conflicts: { task_id: string; with: string[]; paths: string[] }[];
}

export interface OpenComment {
  id: string;
  turn: number;
  attempt: number;
  path: string;
  line?: number | null;
  text: string;
  resolved_at?: string | null;
  sent_in_turn?: number | null;
}

export type LaterNewTask = NewTask & { agents?: AgentChoice[]; paths?: string[] };
export type LaterNewTurn = NewTurn & { comments?: true | string[] };

type Page<T> = { items: T[]; next_cursor?: string | null };

/** `undefined` from a server that does not have it. */
async function ifThere<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return undefined;
    throw error;
  }
}

const json = { 'content-type': 'application/json' };

export async function overlapsOfTask(id: string, signal: AbortSignal): Promise<Overlap[]> {
  const url = `/api/v1/tasks/${encodeURIComponent(id)}/overlaps`;
  const page = await ifThere(call(client.get<{ 200: Page<Overlap> }>({ url, signal })));
  return page?.items ?? [];
}

export async function overlapsOfDraft(
  body: { environment: string; prompt: string; paths?: string[]; branch?: string },
  signal: AbortSignal,
): Promise<Overlap[]> {
  const page = await ifThere(
    call(client.post<{ 200: Page<Overlap> }>({ url: '/api/v1/overlaps', body, headers: json, signal })),
  );
  return page?.items ?? [];
}

export async function commentsOfTask(id: string, signal: AbortSignal): Promise<OpenComment[]> {
  const url = `/api/v1/tasks/${encodeURIComponent(id)}/comments`;
  const page = await ifThere(call(client.get<{ 200: Page<OpenComment> }>({ url, signal })));
  return page?.items ?? [];
}

export async function chooseAttempt(id: string, turn: number, attempt: number | undefined): Promise<void> {
  const url = `/api/v1/tasks/${encodeURIComponent(id)}/choice`;
  await call<unknown>(
    attempt === undefined
      ? client.delete<{ 200: unknown }>({ url: `${url}?turn=${turn}` })
      : client.put<{ 200: unknown }>({ url, body: { turn, attempt }, headers: json }),
  );
}

export const agentName = (agent: LaterAttempt['agent']): string | undefined => {
  if (!agent) return undefined;
  if (typeof agent === 'string') return agent;
  return agent.model ? `${agent.name} · ${agent.model}` : agent.name;
};

export const tryMerges = (tasks: string[]): Promise<Merges> =>
  call(client.post<{ 200: Merges }>({ url: '/api/v1/merges', body: { tasks }, headers: json }));
