import type { DiffStat, Event, Failure, PlanEntry } from '@/api/generated';
import { type Pen, PLAIN_PEN, penAfter, withoutLooks } from './ansi';

/** A line of output, and how a terminal would draw its beginning. */
export interface Line {
  text: string;
  pen: Pen;
  at: string;
  error: boolean;
}

export type Tone = 'plain' | 'good' | 'bad' | 'warn';

/** One thing that happened, as it is read: pieces of messages are put together, and so is the output of each command. */
export type Item =
  | { kind: 'step'; at: string; step: Step }
  | { kind: 'output'; at: string; lines: Line[] }
  | { kind: 'message'; at: string; text: string; whole: boolean }
  | { kind: 'reasoning'; at: string; text: string }
  | { kind: 'command'; at: string; command: Command; lines: Line[] }
  | { kind: 'files'; at: string; files: { path: string; change: string }[] }
  | { kind: 'network'; at: string; requests: NetworkRequest[] }
  | { kind: 'plan'; at: string; entries: PlanEntry[] }
  | { kind: 'said'; at: string; text: string; number?: number; accepted?: boolean }
  | { kind: 'note'; at: string; tone: Tone; text: string; detail?: string | undefined };

export interface Step {
  name: string;
  startedAt: string;
  durationMs?: number;
  detail?: string | undefined;
}

export interface Command {
  id: string;
  text: string;
  ended: boolean;
  exitCode?: number | undefined;
  durationMs?: number | undefined;
}

export type NetworkRequest = Extract<Event, { type: 'network_request' }>;

/** What stands in a row: the head of an item, or one of its lines. */
export interface Row {
  item: number;
  /** -1: the head. */
  line: number;
}

/** How many lines of a command that went well stay open by themselves. */
const SHORT = 12;
/** What is shown of one line; the rest is counted. */
export const LINE_CHARS = 4_000;

/** An attempt's log as it is shown. It only grows, except for what its reader folds. */
export class LogModel {
  readonly items: Item[] = [];
  readonly steps: Step[] = [];
  readonly requests: NetworkRequest[] = [];
  plan: PlanEntry[] = [];
  checkpoint: DiffStat | undefined;
  failure: Failure | undefined;
  calls = 0;
  lastSeq = 0;
  lineCount = 0;
  /** The state that ended it. */
  ended: string | undefined;

  private table: Row[] = [];
  private stale = false;
  /** Rises when rows were made anew, so that what is known of places no longer holds. */
  remade = 0;
  private folds = new Map<number, boolean>();
  private open = new Map<string, number>();
  private running = new Map<string, number>();

  rows(): readonly Row[] {
    if (this.stale) this.remake();
    return this.table;
  }

  apply(event: Event): void {
    if (event.seq <= this.lastSeq) return;
    this.lastSeq = event.seq;
    const at = event.at;
    switch (event.type) {
      case 'state':
        this.state(event);
        break;
      case 'step_started': {
        const step: Step = { name: event.step, startedAt: at };
        this.steps.push(step);
        this.add({ kind: 'step', at, step });
        break;
      }
      case 'step_finished': {
        const step = this.steps.findLast(({ name }) => name === event.step);
        if (step) {
          step.durationMs = event.duration_ms;
          step.detail = event.detail ?? undefined;
        }
        break;
      }
      case 'output': {
        const last = this.items.at(-1);
        if (last?.kind !== 'output') this.add({ kind: 'output', at, lines: [] });
        this.write(this.items.length - 1, 'output', event.text, at, event.stream === 'stderr');
        break;
      }
      case 'message_delta': {
        const last = this.items.at(-1);
        if (last?.kind === 'message' && !last.whole) last.text += event.text;
        else this.add({ kind: 'message', at, text: event.text, whole: false });
        break;
      }
      case 'message': {
        const last = this.items.at(-1);
        if (last?.kind === 'message' && !last.whole) {
          last.text = event.text;
          last.whole = true;
        } else if (event.text.trim() !== '') this.add({ kind: 'message', at, text: event.text, whole: true });
        break;
      }
      case 'reasoning':
        if (event.text.trim() !== '') this.add({ kind: 'reasoning', at, text: event.text });
        break;
      case 'command_started':
        this.running.set(`${event.epoch} ${event.id}`, this.items.length);
        this.add({
          kind: 'command',
          at,
          command: { id: event.id, text: event.command, ended: false },
          lines: [],
        });
        break;
      case 'command_output': {
        const item = this.running.get(`${event.epoch} ${event.id}`);
        if (item !== undefined) this.write(item, `command ${item}`, event.text, at, false);
        break;
      }
      case 'command_finished': {
        const item = this.running.get(`${event.epoch} ${event.id}`);
        const found = item === undefined ? undefined : this.items[item];
        if (found?.kind === 'command' && item !== undefined) {
          found.command.ended = true;
          found.command.exitCode = event.exit_code ?? undefined;
          found.command.durationMs = event.duration_ms ?? undefined;
          if (found.lines.length > SHORT) this.stale = true;
        }
        break;
      }
      case 'file_changed': {
        const last = this.items.at(-1);
        const file = { path: event.path, change: event.kind };
        if (last?.kind === 'files') last.files.push(file);
        else this.add({ kind: 'files', at, files: [file] });
        break;
      }
      case 'network_request': {
        this.requests.push(event);
        const last = this.items.at(-1);
        if (last?.kind === 'network') last.requests.push(event);
        else this.add({ kind: 'network', at, requests: [event] });
        break;
      }
      case 'plan': {
        this.plan = event.entries;
        const last = this.items.at(-1);
        if (last?.kind === 'plan') last.entries = event.entries;
        else this.add({ kind: 'plan', at, entries: event.entries });
        break;
      }
      case 'answered':
        this.add({ kind: 'said', at, text: event.text });
        break;
      case 'steered':
        this.add({ kind: 'said', at, text: event.text, number: event.number });
        break;
      case 'steer_taken': {
        const said = this.items.findLast((item) => item.kind === 'said' && item.number === event.number);
        if (said?.kind === 'said') said.accepted = event.accepted;
        break;
      }
      case 'checkpoint':
        this.checkpoint = event.summary;
        break;
      case 'model_call_started':
        this.calls += 1;
        break;
      default: {
        const note = noted(event);
        if (note) this.add({ kind: 'note', at, ...note });
      }
    }
  }

  private state(event: Extract<Event, { type: 'state' }>): void {
    const { at, state } = event;
    if (state === 'leased') {
      this.add({ kind: 'note', at, tone: 'plain', text: 'A worker took the attempt.' });
    } else if (state === 'awaiting_input') {
      this.add({ kind: 'note', at, tone: 'warn', text: event.question ?? 'The agent asks.' });
    } else if (state === 'succeeded' || state === 'failed' || state === 'cancelled') {
      this.ended = state;
      this.failure = event.failure ?? undefined;
      const text = { succeeded: 'The attempt succeeded.', cancelled: 'The attempt was cancelled.' }[
        state as string
      ];
      const detail = event.failure?.hint ?? undefined;
      const tone = state === 'succeeded' ? 'good' : state === 'failed' ? 'bad' : 'plain';
      this.add({
        kind: 'note',
        at,
        tone,
        text: text ?? event.failure?.message ?? 'The attempt failed.',
        detail,
      });
    }
  }

  private add(item: Item): void {
    this.items.push(item);
    const index = this.items.length - 1;
    if (!this.stale && !this.hidden(index) && hasHead(item)) this.table.push({ item: index, line: -1 });
  }

  private write(index: number, key: string, text: string, at: string, error: boolean): void {
    const item = this.items[index];
    if (item?.kind !== 'output' && item?.kind !== 'command') return;
    const { lines } = item;
    const visible = !this.hidden(index) && this.unfolded(index);
    const last = !this.stale && index === this.items.length - 1;
    const parts = text.split('\n');
    // The piece before ended within a line, which this one goes on.
    const from = this.open.get(key) === index ? lines.length - 1 : -1;
    for (const [number, part] of parts.entries()) {
      const before = number === 0 && from >= 0 ? lines[from] : undefined;
      if (before) before.text += part;
      else if (number < parts.length - 1 || part !== '') {
        const previous = lines.at(-1);
        const pen = previous ? penAfter(previous.text, previous.pen) : PLAIN_PEN;
        lines.push({ text: part, pen, at, error });
        this.lineCount += 1;
        if (visible && last) this.table.push({ item: index, line: lines.length - 1 });
        else if (visible) this.stale = true;
      }
    }
    if (parts.at(-1) === '' || lines.length === 0) this.open.delete(key);
    else this.open.set(key, index);
  }

  /** The step that an item belongs to. */
  private stepOf(index: number): number {
    for (let at = index; at >= 0; at--) if (this.items[at]?.kind === 'step') return at;
    return -1;
  }

  private lastStep = { from: -1, step: -1 };
  private hidden(index: number): boolean {
    if (this.items[index]?.kind === 'step') return false;
    // Asked for the same item again and again while output comes.
    if (this.lastStep.from !== index) this.lastStep = { from: index, step: this.stepOf(index) };
    const { step } = this.lastStep;
    return step >= 0 && this.folds.get(step) === false;
  }

  /** Whether the item's lines, or what belongs to the step, are shown. */
  unfolded(index: number): boolean {
    const said = this.folds.get(index);
    if (said !== undefined) return said;
    const item = this.items[index];
    if (item?.kind !== 'command') return item?.kind !== 'network' && item?.kind !== 'reasoning';
    return !item.command.ended || item.command.exitCode !== 0 || item.lines.length <= SHORT;
  }

  fold(index: number, unfolded: boolean): void {
    this.folds.set(index, unfolded);
    this.stale = true;
  }

  /** Shows what is at a place, whatever is folded there, and tells its row. */
  reveal(index: number, line: number): number {
    const step = this.stepOf(index);
    if (step >= 0 && this.folds.get(step) === false) this.fold(step, true);
    if (!this.unfolded(index)) this.fold(index, true);
    return this.rows().findIndex((row) => row.item === index && row.line === line);
  }

  private remake(): void {
    this.table = [];
    let step = true;
    for (const [index, item] of this.items.entries()) {
      if (item.kind === 'step') step = this.unfolded(index);
      else if (!step) continue;
      if (hasHead(item)) this.table.push({ item: index, line: -1 });
      if ((item.kind === 'output' || item.kind === 'command') && this.unfolded(index)) {
        for (let line = 0; line < item.lines.length; line++) this.table.push({ item: index, line });
      }
    }
    this.stale = false;
    this.remade += 1;
  }

  /** All of it as text, for a file. */
  text(): string {
    const all: string[] = [];
    for (const item of this.items) {
      const head = headText(item);
      if (head !== '') all.push(head);
      if (item.kind === 'output' || item.kind === 'command')
        all.push(...item.lines.map(({ text }) => withoutLooks(text)));
    }
    return `${all.join('\n')}\n`;
  }
}

/** Where a text stands in a log that grows, whatever is folded: what was looked through once is not looked through again. */
export class Finder {
  private found: Row[] = [];
  private readonly names = new Set<string>();
  private readonly lines: number[] = [];
  private heads = 0;
  private readonly needle: string;

  constructor(
    private readonly model: LogModel,
    wanted: string,
    private readonly limit = 10_000,
  ) {
    this.needle = wanted.toLowerCase();
  }

  /** The places in the order of the log; the same array as long as there are no others. */
  look(): Row[] {
    const { items } = this.model;
    const before = this.names.size;
    for (let item = 0; item < items.length && this.needle !== ''; item++) {
      const of = items[item] as Item;
      if (item >= this.heads) this.check(item, -1, headText(of));
      if (of.kind !== 'output' && of.kind !== 'command') continue;
      for (let line = this.lines[item] ?? 0; line < of.lines.length; line++) {
        this.check(item, line, withoutLooks(of.lines[line]?.text ?? ''));
      }
      // The last line, and the last head, may still go on.
      this.lines[item] = Math.max(0, of.lines.length - 1);
    }
    this.heads = Math.max(0, items.length - 1);
    if (this.names.size > before)
      this.found = [...this.found].sort((a, b) => a.item - b.item || a.line - b.line);
    return this.found;
  }

  private check(item: number, line: number, text: string): void {
    const name = `${item}:${line}`;
    if (this.found.length >= this.limit || this.names.has(name)) return;
    if (!text.toLowerCase().includes(this.needle)) return;
    this.names.add(name);
    this.found.push({ item, line });
  }
}

const hasHead = (item: Item) => item.kind !== 'output';

function headText(item: Item): string {
  switch (item.kind) {
    case 'step':
      return `== ${item.step.name}`;
    case 'output':
      return '';
    case 'message':
    case 'reasoning':
      return item.text;
    case 'said':
      return `> ${item.text}`;
    case 'command':
      return `$ ${item.command.text}`;
    case 'files':
      return item.files.map(({ path, change }) => `${change} ${path}`).join('\n');
    case 'network':
      return item.requests.map(requestText).join('\n');
    case 'plan':
      return item.entries
        .map(({ text, status }) => `[${status === 'completed' ? 'x' : ' '}] ${text}`)
        .join('\n');
    case 'note':
      return item.detail ? `${item.text}\n${item.detail}` : item.text;
  }
}

export const requestText = (request: NetworkRequest) =>
  `${request.verdict} ${request.method ?? 'CONNECT'} ${request.host}:${request.port}${request.path ?? ''}`;

function noted(event: Event): { tone: Tone; text: string; detail?: string | undefined } | undefined {
  switch (event.type) {
    case 'cancel_requested':
      return { tone: 'warn', text: 'Somebody cancelled it.' };
    case 'interrupt_requested':
      return { tone: 'warn', text: "Somebody ended the agent's turn." };
    case 'worker_lost':
      return { tone: 'bad', text: `The worker was lost; another takes over (try ${event.tries} ended).` };
    case 'snapshot':
      return { tone: event.state === 'broken' ? 'bad' : 'plain', text: snapshotText(event) };
    case 'limit_hit':
      return { tone: 'warn', text: event.message };
    case 'retrying':
      return { tone: 'warn', text: `Trying again: ${event.message}` };
    case 'warning':
      return { tone: 'warn', text: event.message };
    case 'model_call_finished':
      if (event.status !== undefined && event.status !== null && event.status < 400) return undefined;
      return { tone: 'bad', text: `The model answered with ${event.status ?? 'nothing'}.` };
    case 'publication':
      return {
        tone: event.state === 'failed' ? 'bad' : event.state === 'published' ? 'good' : 'plain',
        text: `Branch ${event.branch}: ${event.state}.`,
        detail: event.message ?? event.url ?? undefined,
      };
    default:
      return undefined;
  }
}

function snapshotText(event: Extract<Event, { type: 'snapshot' }>): string {
  const why = event.reason ? `: ${event.reason}` : '';
  const minutes = event.age_seconds == null ? '' : `, ${Math.round(event.age_seconds / 60)} min old`;
  switch (event.state) {
    case 'cached':
      return `Cached start: snapshot ${event.key.slice(0, 12)}${minutes}`;
    case 'building':
      return `Cold start: the snapshot is being built${why}`;
    case 'built':
      return `The snapshot ${event.key.slice(0, 12)} is built.`;
    case 'waiting':
      return `Waiting for another attempt's snapshot${why}`;
    case 'broken':
      return `The snapshot is broken${why}`;
    default:
      return `Snapshot ${event.state}${why}`;
  }
}
