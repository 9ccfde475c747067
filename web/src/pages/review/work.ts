/** How long the page's thread is taken at once, in milliseconds: an answer to a key never waits longer. */
const SLICE_MS = 6;
/** So long after a key or a click nothing is made that is not in view: what is added to the page makes its answer later. */
const QUIET_MS = 150;
/** What is in view is made as soon as the answer was drawn. */
const ANSWERED_MS = 50;

type Post = (task: () => void, options: { priority: 'user-visible' | 'background' }) => Promise<void>;
const scheduler = (globalThis as { scheduler?: { postTask?: Post } }).scheduler;

let acted = Number.NEGATIVE_INFINITY;
if (typeof document !== 'undefined')
  for (const type of ['pointerdown', 'keydown'])
    document.addEventListener(
      type,
      (event) => {
        // A key that is held down is no reason to wait for as long.
        if (!(event instanceof KeyboardEvent && event.repeat)) acted = performance.now();
      },
      { capture: true, passive: true },
    );

/** How long to wait, in milliseconds, so that somebody who is doing something is answered first; 0: nobody is. */
export const untilQuiet = (quiet = QUIET_MS) => Math.max(0, acted + quiet - performance.now());

/** Work in small pieces, between which the browser draws and answers: what is in view first. */
export class Work {
  private readonly soon: Generator<void>[] = [];
  private readonly later: Generator<void>[] = [];
  private posted = false;
  private waits: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;

  soonest(some: Generator<void>): void {
    this.soon.push(some);
    this.post();
  }

  whenIdle(some: Generator<void>): void {
    this.later.push(some);
    this.post();
  }

  start(): void {
    this.stopped = false;
    if (this.soon.length + this.later.length > 0) this.post();
  }

  stop(): void {
    this.stopped = true;
  }

  private post(): void {
    if (this.posted) return;
    const wait = untilQuiet(this.soon.length > 0 ? ANSWERED_MS : QUIET_MS);
    if (wait > 0) {
      clearTimeout(this.waits);
      this.waits = setTimeout(() => {
        this.post();
      }, wait);
      return;
    }
    this.posted = true;
    const priority = this.soon.length > 0 ? 'user-visible' : 'background';
    const run = () => this.slice();
    if (scheduler?.postTask) scheduler.postTask(run, { priority }).catch(() => {});
    else setTimeout(run, 1);
  }

  private slice(): void {
    this.posted = false;
    if (this.stopped) return;
    const end = performance.now() + SLICE_MS;
    while (performance.now() < end) {
      const queue = this.soon.length > 0 ? this.soon : this.later;
      const job = queue[0];
      if (!job || untilQuiet(queue === this.soon ? ANSWERED_MS : QUIET_MS) > 0) break;
      if (job.next().done) queue.shift();
    }
    if (this.soon.length + this.later.length > 0) this.post();
  }
}
