import type { Agent, AgentChoice, NewTask, Priority, TaskKind } from '@/api/generated';

/** An agent that is being chosen; without a name: the environment's. */
export interface AgentDraft {
  name: '' | 'codex' | 'command';
  /** The model, or the command. */
  detail: string;
}

export const OWN_AGENT: AgentDraft = { name: '', detail: '' };

/** A task that is being written. */
export interface Draft {
  prompt: string;
  environment: string;
  branch: string;
  attempts: number;
  /** What each attempt is to have in place of the environment's agent. */
  agents: AgentDraft[];
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

/** The agents of all attempts as they are sent: none when all are the environment's. */
export function agentsOf({ attempts, agents }: Draft, own: Agent | undefined): AgentChoice[] {
  const wanted = Array.from({ length: attempts }, (_, at) => agents[at] ?? OWN_AGENT);
  if (wanted.every(({ name }) => name === '')) return [];
  return wanted.flatMap(({ name, detail }): AgentChoice[] => {
    const text = detail.trim();
    if (name === 'codex') return [{ name, ...(text !== '' && { model: text }) }];
    if (name === 'command') return [{ name, command: detail }];
    return own?.name === 'codex' || own?.name === 'command' ? [own] : [];
  });
}

export const pathsOf = (text: string) =>
  text
    .split(/[\n,]/)
    .map((path) => path.trim())
    .filter(Boolean);

/** What is sent: nothing that the server would choose by itself. */
export function requestOf(draft: Draft, own?: Agent): NewTask {
  const agents = agentsOf(draft, own);
  const paths = pathsOf(draft.paths);
  return {
    environment: draft.environment,
    prompt: draft.prompt,
    attempts: draft.attempts,
    ...(draft.branch.trim() !== '' && { branch: draft.branch.trim() }),
    ...(agents.length === draft.attempts && { agents }),
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
