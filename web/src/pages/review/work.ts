/** How long the page's thread is taken at once, in milliseconds: an answer to a key never waits longer. */
const SLICE_MS = 6;

type Post = (task: () => void, options: { priority: 'user-visible' | 'background' }) => Promise<void>;
const scheduler = (globalThis as { scheduler?: { postTask?: Post } }).scheduler;

/** Work in small pieces, between which the browser draws and answers: what is in view first. */
export class Work {
  private readonly soon: Generator<void>[] = [];
  private readonly later: Generator<void>[] = [];
  private posted = false;
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
      if (!job) return;
      if (job.next().done) queue.shift();
    }
    if (this.soon.length + this.later.length > 0) this.post();
  }
}
