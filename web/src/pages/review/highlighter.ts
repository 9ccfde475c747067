import type { Answer, Ask } from './highlight.worker';
import type { Language } from './languages';
import type { Hunk } from './patch';

/** Of each row of a hunk its pieces: pairs of length and kind; empty: plain. */
export type Colours = Uint32Array[];

/** More rows in one piece stay plain. */
const ROW_LIMIT = 5_000;

type Wanted = { language: Language; hunk: Hunk; done: (colours: Colours) => void; wanted: () => boolean };

let worker: Worker | undefined;
let running: { id: number; job: Wanted } | undefined;
const queue: Wanted[] = [];
let last = 0;

/** Asks for a hunk's colours. What was asked last comes first; what is no longer `wanted` when its turn comes is left out. */
export function colour(job: Wanted): void {
  if (job.hunk.lines.length > ROW_LIMIT) return;
  queue.push(job);
  next();
}

function next(): void {
  if (running) return;
  let job = queue.pop();
  while (job && !job.wanted()) job = queue.pop();
  if (!job) return;
  worker ??= start();
  running = { id: ++last, job };
  const { lines } = job.hunk;
  const ask: Ask = { id: last, language: job.language, texts: [sideOf(lines, '+')] };
  if (lines.some((line) => line[0] === '-')) ask.texts.push(sideOf(lines, '-'));
  worker.postMessage(ask);
}

function start(): Worker {
  const made = new Worker(new URL('./highlight.worker.ts', import.meta.url), { type: 'module' });
  made.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
    if (data.id !== running?.id) return;
    const { job } = running;
    running = undefined;
    const [fresh, old] = data.texts;
    if (fresh) job.done(byRow(job.hunk.lines, fresh, old));
    next();
  });
  made.addEventListener('error', () => {
    // Without it everything is readable, only not coloured.
    running = undefined;
    queue.length = 0;
  });
  return made;
}

/** One side of a hunk as text: what both have, and what only this one has. */
export function sideOf(lines: string[], sign: '+' | '-'): string {
  return lines
    .filter((line) => line[0] === sign || line[0] === ' ')
    .map((line) => line.slice(1).replace(/\r$/, ' '))
    .join('\n');
}

/** The worker's answer, by row. */
export function byRow(lines: string[], fresh: Uint32Array, old: Uint32Array | undefined): Colours {
  let right = 0;
  let left = 0;
  const take = (from: Uint32Array, at: number): [Uint32Array, number] => {
    const end = at + 1 + 2 * (from[at] ?? 0);
    return [from.subarray(at + 1, end), end];
  };
  return lines.map((line) => {
    let got: Uint32Array = NONE;
    if (line[0] === '+' || line[0] === ' ') [got, right] = take(fresh, right);
    if (old && (line[0] === '-' || line[0] === ' ')) {
      const [removed, end] = take(old, left);
      left = end;
      if (line[0] === '-') got = removed;
    }
    return got;
  });
}

const NONE = new Uint32Array(0);
