import type { Priority, TaskKind } from '@/api/generated';
import type { AgentChoice, LaterNewTask } from '@/api/later';

/** A task that is being written. */
export interface Draft {
  prompt: string;
  environment: string;
  branch: string;
  attempts: number;
  /** One for each attempt, as far as they differ from the environment's; empty: the environment's. */
  agents: string[];
  paths: string;
  kind: TaskKind;
  priority: Priority;
  interactive: boolean;
}

export const EMPTY: Draft = {
  prompt: '',
  environment: '',
  branch: '',
  attempts: 1,
  agents: [],
  paths: '',
  kind: 'code',
  priority: 'normal',
  interactive: true,
};

/** `codex`, or `codex/MODEL`. */
export function agentOf(text: string): AgentChoice | undefined {
  const [name, ...model] = text.trim().split('/');
  if (!name) return undefined;
  return { name, ...(model.length > 0 && { model: model.join('/') }) };
}

export const pathsOf = (text: string) =>
  text
    .split(/[\n,]/)
    .map((path) => path.trim())
    .filter(Boolean);

/** What is sent: nothing that the server would choose by itself, so that older servers take it, too. */
export function requestOf(draft: Draft): LaterNewTask {
  const agents = draft.agents.slice(0, draft.attempts).map(agentOf);
  const given = agents.filter((agent) => agent !== undefined);
  const paths = pathsOf(draft.paths);
  return {
    environment: draft.environment,
    prompt: draft.prompt,
    attempts: draft.attempts,
    ...(draft.branch.trim() !== '' && { branch: draft.branch.trim() }),
    ...(given.length > 0 && given.length === draft.attempts && { agents: given }),
    ...(paths.length > 0 && { paths }),
    ...(draft.kind !== 'code' && { kind: draft.kind }),
    ...(draft.priority !== 'normal' && { priority: draft.priority }),
    ...(!draft.interactive && { interactive: false }),
  };
}

const KEY = 'outwork.draft';

/** What was written and not sent is there again when the page is. */
export function kept(): Draft {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? '{}');
    return { ...EMPTY, ...(found as Partial<Draft>) };
  } catch {
    return EMPTY;
  }
}

export function keep(draft: Draft | undefined): void {
  if (draft) sessionStorage.setItem(KEY, JSON.stringify(draft));
  else sessionStorage.removeItem(KEY);
}
