import { call } from '@/api/call';
import { type Event, getTask, listEvents, listTasks, type TaskSummary } from '@/api/generated';

/** Requests that were refused, the same ones together. */
export interface Refused {
  host: string;
  port: number;
  code: string;
  rule: string;
  reason: string;
  count: number;
  /** The newest. */
  at: string;
  method: string;
  path: string;
  task: string;
  title: string;
}

type Request = Extract<Event, { type: 'network_request' }>;

/** Adds an attempt's events to what was refused before. */
export function gather(
  found: Map<string, Refused>,
  events: Event[],
  task: { id: string; title: string },
): Map<string, Refused> {
  for (const event of events) {
    if (event.type !== 'network_request' || event.verdict !== 'refused') continue;
    const { host, port, code, rule, reason, method, path, at } = event as Request;
    const key = `${host}:${port} ${code ?? ''}`;
    const before = found.get(key);
    const newest = before && before.at > at ? before : undefined;
    found.set(key, {
      host,
      port,
      code: code ?? '',
      rule: rule ?? '',
      reason: reason ?? '',
      method: newest?.method ?? method ?? '',
      path: newest?.path ?? path ?? '',
      at: newest?.at ?? at,
      task: newest?.task ?? task.id,
      title: newest?.title ?? task.title,
      count: (before?.count ?? 0) + 1,
    });
  }
  return found;
}

/** How far back is looked: that many tasks at first and with each step, and that many events of each attempt. */
export const TASKS = 10;
const EVENTS = 5_000;
/** So many tasks are read at once. */
const AT_ONCE = 4;

export interface Lately {
  /** The newest first. */
  refused: Refused[];
  /** How many tasks were looked through. */
  tasks: number;
  /** Whether there are older ones. */
  more: boolean;
}

/** What was refused in the newest tasks of an environment. */
export async function refusedLately(
  environment: string,
  count: number,
  signal: AbortSignal,
): Promise<Lately> {
  const items: TaskSummary[] = [];
  let cursor: string | null | undefined;
  do {
    const limit = Math.min(count - items.length, 100);
    const page = await call(listTasks({ query: { environment, limit, ...(cursor && { cursor }) }, signal }));
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < count);
  const found = new Map<string, Refused>();
  const rest = [...items];
  const read = async (): Promise<void> => {
    const summary = rest.shift();
    if (!summary) return;
    const task = await call(getTask({ path: { id: summary.id }, signal }));
    for (const { id } of task.turns.at(-1)?.attempts ?? []) {
      for (let after = 0; after < EVENTS; ) {
        const page = await call(listEvents({ path: { id }, query: { after, limit: 1000 }, signal }));
        gather(found, page.items, summary);
        const next = Number(page.next_cursor ?? 0);
        if (!next || next <= after) break;
        after = next;
      }
    }
    return read();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, read));
  const refused = [...found.values()].sort((a, b) => (a.at < b.at ? 1 : -1));
  return { refused, tasks: items.length, more: Boolean(cursor) };
}

/** What in an environment's rules lets such a request pass; nothing where only the worker's operator can. */
export function remedy(code: string): 'host' | 'methods' | 'git_push' | 'websocket' | 'port' | undefined {
  switch (code) {
    case 'blocked-by-allowlist':
      return 'host';
    case 'blocked-by-method-policy':
      return 'methods';
    case 'blocked-by-git-push-policy':
      return 'git_push';
    case 'blocked-by-websocket-policy':
      return 'websocket';
    case 'port-not-allowed':
      return 'port';
    default:
      return undefined;
  }
}
