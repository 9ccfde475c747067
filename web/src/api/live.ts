import { useEffect, useSyncExternalStore } from 'react';
import { ApiError } from './problem';
import { queryClient } from './queries';
import { SentEvents } from './sse';

/** `stream`: the server tells what changed; `poll`: the page asks; `away`: the server does not answer. */
export type Liveness = 'stream' | 'poll' | 'away';

let streaming = false;
let away = false;
let users = 0;
let stop: AbortController | undefined;
/** A server without the stream is not asked for it again. */
let missing = false;
const listeners = new Set<() => void>();
const hearers = new Set<(task: string) => void>();

/** Tells of each task that changed, as far as the server does. */
export function onChange(hearer: (task: string) => void): () => void {
  hearers.add(hearer);
  return () => hearers.delete(hearer);
}

export const liveness = (): Liveness => (away ? 'away' : streaming ? 'stream' : 'poll');

/** How often to ask for what may have changed, in milliseconds. */
export const every = (ms: number) => () => (streaming ? 30_000 : ms);

/** Keeps the page up to date for as long as it is seen. */
export function useLiveness(): Liveness {
  useEffect(() => {
    users += 1;
    look();
    document.addEventListener('visibilitychange', look);
    const unwatch = queryClient.getQueryCache().subscribe(watch);
    return () => {
      users -= 1;
      look();
      document.removeEventListener('visibilitychange', look);
      unwatch();
    };
  }, []);
  return useSyncExternalStore(subscribe, liveness);
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

function tell(): void {
  for (const listener of listeners) listener();
}

function look(): void {
  const wanted = users > 0 && document.visibilityState === 'visible' && !missing;
  if (wanted && !stop) {
    stop = new AbortController();
    void run(stop.signal);
  } else if (!wanted && stop) {
    stop.abort();
    stop = undefined;
    streaming = false;
    tell();
  }
}

/** Calls back when the server says that nobody is signed in any more. */
export const onSignedOut = (then: () => void): (() => void) =>
  queryClient.getQueryCache().subscribe(({ type, query }) => {
    const { error } = query.state;
    if (type === 'updated' && error instanceof ApiError && error.status === 401) then();
  });

/** Whether the server answers is read off what the page asks it anyway. */
function watch(): void {
  const is = queryClient
    .getQueryCache()
    .getAll()
    .some((query) => {
      const { state } = query;
      const reason = state.fetchFailureReason;
      return reason instanceof ApiError && reason.passes && state.fetchFailureCount > 0 && query.isActive();
    });
  if (is === away) return;
  away = is;
  queueMicrotask(tell);
}

/** Reads again what is shown. The list is kept up to date by its head, not by reading all of its pages again. */
const again = () => queryClient.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'tasks' });

async function run(signal: AbortSignal): Promise<void> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const response = await fetch('/api/v1/changes', {
        headers: { accept: 'text/event-stream' },
        credentials: 'same-origin',
        signal,
      });
      if (response.status === 404) {
        missing = true;
        return;
      }
      if (response.ok && response.body) {
        failures = 0;
        streaming = true;
        tell();
        // What happened while nobody listened.
        void again();
        await hear(response.body, signal);
      }
    } catch {
      // It is tried again below, whatever it was.
    }
    if (streaming) {
      streaming = false;
      tell();
      // From now on the page asks by itself, and so sees whether anybody answers.
      void again();
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** failures, 15_000)));
  }
}

async function hear(body: ReadableStream<Uint8Array<ArrayBuffer>>, signal: AbortSignal): Promise<void> {
  const events = new SentEvents();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done || signal.aborted) return;
    for (const { data } of events.push(value)) {
      const change = JSON.parse(data) as { type?: string; id?: string };
      if (change.type !== 'task' || !change.id) continue;
      changed.add(change.id);
    }
    if (changed.size > 0 && !due) due = setTimeout(flush, 150);
  }
}

const changed = new Set<string>();
let due: ReturnType<typeof setTimeout> | undefined;

function flush(): void {
  due = undefined;
  for (const id of changed) {
    void queryClient.invalidateQueries({ queryKey: ['task', id] });
    for (const hearer of hearers) hearer(id);
  }
  changed.clear();
}
