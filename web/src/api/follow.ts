import { useEffect, useSyncExternalStore } from 'react';
import { LogModel } from '@/parts/log/model';
import type { Event, Problem } from './generated';
import { ApiError } from './problem';
import { SentEvents } from './sse';

export type FollowPhase = 'loading' | 'live' | 'ended' | 'waiting' | 'failed';

/** An attempt's log in this page: it is read from where it stopped, for as long as somebody looks at it. */
export class Follow {
  readonly model = new LogModel();
  phase: FollowPhase = 'loading';
  error: ApiError | undefined;
  /** Rises with every change, at most once a frame. */
  version = 0;

  private readonly listeners = new Set<() => void>();
  private stop: AbortController | undefined;
  private told = false;

  constructor(readonly attempt: string) {}

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    this.look();
    return () => {
      this.listeners.delete(listener);
      this.look();
    };
  };

  /** Reads while somebody looks and the page is seen: browsers allow only six connections to a server over HTTP/1.1, for all their tabs together. */
  readonly look = () => {
    const wanted = this.listeners.size > 0 && document.visibilityState === 'visible' && !this.model.ended;
    if (wanted && !this.stop) {
      this.stop = new AbortController();
      void this.run(this.stop.signal);
    } else if (!wanted) {
      this.stop?.abort();
      this.stop = undefined;
    }
  };

  private async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted && !this.model.ended) {
      try {
        await this.read(signal, () => {
          failures = 0;
        });
        if (this.model.ended) break;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && !error.passes) {
          this.error = error;
          this.tell('failed');
          return;
        }
      }
      if (this.phase !== 'loading') this.tell('waiting');
      await pause(Math.min(250 * 2 ** failures++, 5_000), signal);
    }
    if (this.model.ended) this.tell('ended');
  }

  private async read(signal: AbortSignal, came: () => void): Promise<void> {
    const response = await fetch(`/api/v1/attempts/${this.attempt}/events?after=${this.model.lastSeq}`, {
      headers: { accept: 'text/event-stream' },
      credentials: 'same-origin',
      signal,
    });
    if (!response.ok || !response.body) {
      const problem: Partial<Problem> = await response.json().catch(() => ({}));
      throw new ApiError(response.status, problem);
    }
    this.tell('live');
    const events = new SentEvents();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return;
      const sent = events.push(value);
      for (const { data } of sent) this.model.apply(JSON.parse(data) as Event);
      if (sent.length > 0) {
        came();
        this.tell(this.model.ended ? 'ended' : 'live');
      }
    }
  }

  private tell(phase: FollowPhase): void {
    this.phase = phase;
    if (this.told) return;
    this.told = true;
    requestAnimationFrame(() => {
      this.told = false;
      this.version += 1;
      for (const listener of this.listeners) listener();
    });
  }
}

/** The logs looked at last, so that going back to one shows it at once. */
const kept = new Map<string, Follow>();
const KEPT = 6;

document.addEventListener('visibilitychange', () => {
  for (const follow of kept.values()) follow.look();
});

export function followOf(attempt: string): Follow {
  const follow = kept.get(attempt) ?? new Follow(attempt);
  kept.delete(attempt);
  kept.set(attempt, follow);
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) break;
    kept.delete(oldest);
  }
  return follow;
}

/** An attempt's log as it grows. */
export function useFollow(attempt: string): Follow {
  const follow = followOf(attempt);
  useSyncExternalStore(follow.subscribe, () => follow.version);
  useEffect(() => follow.look(), [follow]);
  return follow;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
