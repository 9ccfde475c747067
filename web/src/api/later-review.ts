// What reviews use of the API and the generated client does not have yet.
import { call } from './call';
import { client } from './generated/client.gen';
import { ApiError } from './problem';

export interface Person {
  id: string;
  name: string;
}

export interface Comment {
  id: string;
  task_id: string;
  turn: number;
  attempt: number;
  repository?: string | null;
  path: string;
  side: 'old' | 'new';
  /** Absent: on the file. */
  line?: number | null;
  end_line?: number | null;
  /** The lines as the server read them. */
  excerpt?: string | null;
  text: string;
  author: Person;
  created_at: string;
  updated_at: string;
  resolved_at?: string | null;
  /** The turn that it was sent with. */
  sent_in_turn?: number | null;
}

export interface NewComment {
  turn?: number;
  attempt: number;
  repository?: string;
  path: string;
  side: 'old' | 'new';
  line?: number;
  end_line?: number;
  text: string;
}

export interface Viewed {
  repository?: string | null;
  path: string;
  viewed_at: string;
}

export interface PartsHunk {
  id: string;
  header: string;
  old_start: number;
  old_lines: number;
  new_start: number;
  new_lines: number;
}

export interface PartsFile {
  id: string;
  path: string;
  old_path?: string | null;
  hunks: PartsHunk[];
}

export interface AttemptParts {
  files: PartsFile[];
}

export interface PartTaken {
  attempt: number;
  repository?: string;
  files: string[];
  hunks: string[];
}

export interface NewComposition {
  turn?: number;
  parts: PartTaken[];
  verify?: boolean;
  dry_run?: boolean;
}

export interface Given {
  by: Person | string;
  at: string;
  text?: string | null;
}

/** Whether the diff that is shown may leave. */
export interface Approval {
  needed: number;
  given: Given[];
  rejected: Given[];
  state: 'not_needed' | 'waiting' | 'approved' | 'rejected';
}

export type Verdict = 'approve' | 'reject' | 'withdraw';

interface Page<T> {
  items: T[];
}

/** `null` where the server does not have it. */
async function known<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return null;
    throw error;
  }
}

type Options = Parameters<typeof client.get>[0];
const get = <T>(options: Options) => call(client.get(options) as Promise<{ data?: T; response?: Response }>);
const send = <T>(method: 'post' | 'put' | 'patch' | 'delete', options: Options) =>
  call(client[method](options) as Promise<{ data?: T; response?: Response }>);
const json = { 'content-type': 'application/json' };

/** All of them are in one page. */
export const listComments = async (task: string, signal: AbortSignal): Promise<Comment[] | null> =>
  (await known(get<Page<Comment>>({ url: '/api/v1/tasks/{id}/comments', path: { id: task }, signal })))
    ?.items ?? null;

export const addComment = (task: string, body: NewComment) =>
  send<Comment>('post', { url: '/api/v1/tasks/{id}/comments', path: { id: task }, body, headers: json });

export const changeComment = (id: string, body: { text?: string; resolved?: boolean }) =>
  send<Comment>('patch', { url: '/api/v1/comments/{id}', path: { id }, body, headers: json });

export const removeComment = (id: string) =>
  send<void>('delete', { url: '/api/v1/comments/{id}', path: { id } });

export const listViewed = async (attempt: string, signal: AbortSignal): Promise<Viewed[] | null> =>
  (await known(get<Page<Viewed>>({ url: '/api/v1/attempts/{id}/viewed', path: { id: attempt }, signal })))
    ?.items ?? null;

export const setViewed = (attempt: string, body: { repository?: string; path: string; viewed: boolean }) =>
  send<void>('put', { url: '/api/v1/attempts/{id}/viewed', path: { id: attempt }, body, headers: json });

export const getParts = (attempt: string, repository: string | undefined, signal: AbortSignal) =>
  known(
    get<AttemptParts>({
      url: '/api/v1/attempts/{id}/diff/parts',
      path: { id: attempt },
      query: { repository },
      signal,
    }),
  );

export const compose = <T>(task: string, body: NewComposition) =>
  send<T>('post', {
    url: '/api/v1/tasks/{id}/compositions',
    path: { id: task },
    body,
    headers: json,
    parseAs: body.dry_run ? 'text' : 'auto',
  } as Options);

export const approve = (
  task: string,
  body: { turn?: number; attempt?: number; verdict: Verdict; text?: string },
) => send<unknown>('post', { url: '/api/v1/tasks/{id}/approvals', path: { id: task }, body, headers: json });
