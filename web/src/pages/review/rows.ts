// The rows of a diff, made without React: twenty thousand of them are one element and one text each, and change only
// where somebody looks. What is not near the window has no layout (`content-visibility`), but is there for the browser's
// own search, for selection and for screen readers.
import { type Colours, colour } from './highlighter';
import { KINDS } from './kinds';
import type { Language } from './languages';
import { type Hunk, locate, numbers, type Place, pairs, placeOf, run } from './patch';
import css from './rows.module.css';
import { hasHidden, parts } from './visible';
import { difference } from './words';

export type Layout = 'unified' | 'split';

/** A hunk, and whose it is. */
export interface Cell {
  hunk: Hunk;
  /** Its number within the file's hunks. */
  index: number;
  /** The attempt's number. */
  attempt: number;
  /** The same hunk of the other attempt. */
  twin?: { attempt: number; index: number };
  /** What stands in front of it; absent where there is one attempt. */
  name?: string;
}

/** What stands side by side: one column, or one of each attempt. */
export interface Group {
  columns: Cell[][];
  /** Both attempts have the same here. */
  same: boolean;
}

/** Height of a row that is not wrapped, in pixels; the style sheet says the same. */
export const ROW = 20;
/** Rows that get their layout together. */
const BLOCK = 60;
/** No line begins behind the numbers: they are part of the first. */
const GAP = '\u00a0';
/** A longer line is cut for display, with a button for the rest. */
const LINE_LIMIT = 4_000;
/** So many rows of a file are made by themselves; the rest when somebody asks. */
export const FILE_LIMIT = 20_000;
/** So many rows keep their colours; those looked at longest ago lose them first. */
const COLOURED_LIMIT = 6_000;

const div = (className: string | undefined) => {
  const element = document.createElement('div');
  if (className) element.className = className;
  return element;
};

/** What a row is for the events of its file: its cell and number. */
export interface RowPlace {
  cell: Cell;
  row: number;
  place: Place;
}

/** One hunk on the screen. */
class HunkView {
  readonly element = div(css.hunk);
  private readonly take = document.createElement('button');
  /** By row of the hunk; in two columns a row without change is in both, and the right one counts. */
  private readonly rows: HTMLElement[] = [];
  private near = new Set<Element>();
  private coloured: 'no' | 'asked' | 'yes' = 'no';

  constructor(
    readonly cell: Cell,
    private readonly file: FileRows,
  ) {
    this.element.append(this.head());
    this.setTaken(file.isTaken(cell));
  }

  private head(): HTMLElement {
    const { hunk, index, attempt } = this.cell;
    const head = div(css.head);
    const range = document.createElement('span');
    range.className = css.range ?? '';
    range.textContent = `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`;
    const heading = document.createElement('span');
    heading.className = css.heading ?? '';
    writeText(heading, hunk.heading);
    if (this.cell.name) {
      const name = document.createElement('span');
      name.className = css.name ?? '';
      name.textContent = this.cell.name;
      head.append(name);
    }
    head.append(range, heading);
    this.take.type = 'button';
    this.take.className = css.take ?? '';
    this.take.dataset.take = `${attempt}:${index}`;
    head.append(this.take);
    return head;
  }

  /** Whether it is part of what is put together. */
  setTaken(taken: boolean): void {
    this.element.classList.toggle(css.left ?? '', !taken);
    const button = this.take;
    button.setAttribute('aria-pressed', String(taken));
    button.textContent = taken ? '✓ taken' : 'left out';
    button.title = taken ? 'Leave this hunk out' : 'Take this hunk';
  }

  *fill(layout: Layout): Generator<void> {
    const { hunk } = this.cell;
    const count = numbers(hunk);
    const width = this.file.digits;
    const pad = (n: number) => (n ? String(n) : '').padStart(width, GAP);
    const order: [number, number][] = layout === 'split' ? pairs(hunk) : hunk.lines.map((_, i) => [i, i]);
    for (let from = 0; from < order.length; from += BLOCK) {
      const some = order.slice(from, from + BLOCK);
      const block = div(css.block);
      block.style.containIntrinsicBlockSize = `auto ${some.length * ROW}px`;
      for (const [left, right] of some) {
        if (layout === 'unified') {
          const line = hunk.lines[left] ?? '';
          block.append(
            this.row(
              left,
              `${pad(count.old[left] ?? 0)}${GAP}${pad(count.new[left] ?? 0)}${GAP}${sign(line)}`,
            ),
          );
          continue;
        }
        const pair = div(css.pair);
        const half = (at: number, of: Int32Array) =>
          at < 0 ? div(css.none) : this.row(at, `${pad(of[at] ?? 0)}${GAP}${sign(hunk.lines[at])}`);
        pair.append(half(left, count.old), half(right, count.new));
        block.append(pair);
      }
      this.element.append(block);
      this.file.made += some.length;
      this.file.watch(block, this);
      yield;
    }
  }

  private row(index: number, numbers: string): HTMLElement {
    const line = this.cell.hunk.lines[index] ?? '';
    const row = div(LOOKS[line[0] ?? ' '] ?? css.line);
    row.dataset.n = numbers;
    writeText(row, bare(line));
    this.rows[index] = row;
    return row;
  }

  /** Behind which row something about a line stands. */
  rowOf(place: Place): HTMLElement | undefined {
    const { hunk } = this.cell;
    const found = locate({ hunks: [hunk] } as Parameters<typeof locate>[0], place);
    const row = found && this.rows[found.row];
    const around = row?.parentElement;
    return around && around.className === css.pair ? around : row;
  }

  placeOf(row: HTMLElement): RowPlace | undefined {
    const index = this.rows.indexOf(row);
    const place = index < 0 ? undefined : placeOf(this.cell.hunk, index);
    return place && { cell: this.cell, row: index, place };
  }

  rowAt(index: number): HTMLElement | undefined {
    return this.rows[index];
  }

  see(block: Element, isNear: boolean): void {
    if (isNear) this.near.add(block);
    else this.near.delete(block);
    if (!isNear || this.coloured !== 'no') return;
    this.coloured = 'asked';
    const { language } = this.file;
    if (!language) this.paint([]);
    else
      colour({
        language,
        hunk: this.cell.hunk,
        wanted: () => {
          if (this.near.size === 0) this.coloured = 'no';
          return this.near.size > 0;
        },
        done: (colours) => this.paint(colours),
      });
  }

  private paint(colours: Colours): void {
    this.file.work(this.painting(colours));
    this.coloured = 'yes';
    remember(this);
  }

  get size(): number {
    return this.cell.hunk.lines.length;
  }

  get visible(): boolean {
    return this.near.size > 0;
  }

  private *painting(colours: Colours): Generator<void> {
    const { lines } = this.cell.hunk;
    const words = wordsOf(lines);
    for (let i = 0; i < lines.length; i++) {
      const row = this.rows[i];
      const pieces = colours[i];
      const word = words.get(i);
      if (!row || (!word && !(pieces && pieces.length > 2) && !(pieces?.[1] ?? 0))) continue;
      // What somebody marked stays marked.
      if (isSelected(row)) continue;
      writeText(row, bare(lines[i] ?? ''), pieces, word);
      if (i % 6 === 5) yield;
    }
  }

  /** Takes the colours away again: they are most of what the page holds. */
  forget(): void {
    this.coloured = 'no';
    this.cell.hunk.lines.forEach((line, i) => {
      const row = this.rows[i];
      if (row && row.childElementCount > 0 && !isSelected(row)) writeText(row, bare(line));
    });
  }
}

const LOOKS: Record<string, string> = {
  '+': `${css.line} ${css.add}`,
  '-': `${css.line} ${css.del}`,
  ' ': css.line ?? '',
  '\\': `${css.line} ${css.remark}`,
};

const sign = (line: string | undefined) => (line?.[0] === '+' || line?.[0] === '-' ? line[0] : GAP);
const bare = (line: string) => (line[0] === '\\' ? line.slice(2) : line.slice(1));

/** The hunks with colours, longest ago first. */
const kept: HunkView[] = [];
function remember(view: HunkView): void {
  const before = kept.indexOf(view);
  if (before >= 0) kept.splice(before, 1);
  kept.push(view);
  let rows = kept.reduce((sum, one) => sum + one.size, 0);
  for (let i = 0; i < kept.length && rows > COLOURED_LIMIT; ) {
    const oldest = kept[i];
    if (!oldest || oldest === view || oldest.visible) {
      i++;
      continue;
    }
    rows -= oldest.size;
    kept.splice(i, 1);
    oldest.forget();
  }
}

/** Asked of the browser only when something is marked: the question makes the layout of the page. */
let selecting = false;
if (typeof document !== 'undefined')
  document.addEventListener('selectionchange', () => {
    selecting = document.getSelection()?.type === 'Range';
  });
const isSelected = (row: HTMLElement) =>
  selecting && document.getSelection()?.containsNode(row, true) === true;

/** Of the changed lines that come in pairs, where they differ. */
function wordsOf(lines: string[]): Map<number, [number, number]> {
  const found = new Map<number, [number, number]>();
  for (let i = 0; i < lines.length; i++) {
    if (lines[i]?.[0] !== '-') continue;
    const [left, right, end] = run(lines, i);
    if (left.length === right.length) {
      left.forEach((at, k) => {
        const other = right[k] ?? -1;
        const word = difference(bare(lines[at] ?? ''), bare(lines[other] ?? ''));
        if (!word) return;
        if (word.old[1] > word.old[0]) found.set(at, word.old);
        if (word.new[1] > word.new[0]) found.set(other, word.new);
      });
    }
    i = Math.max(i, end - 1);
  }
  return found;
}

/** Writes a line as text, never as markup: what would not be seen becomes a mark; colours and the changed word become elements. */
export function writeText(
  element: HTMLElement,
  text: string,
  pieces?: Uint32Array,
  word?: [number, number],
): void {
  let shown = text;
  if (text.length > LINE_LIMIT && element.dataset.whole === undefined) shown = text.slice(0, LINE_LIMIT);
  const simple = !pieces?.length && !word;
  if (simple && shown === text && !hasHidden(text)) {
    element.textContent = text;
    return;
  }
  const to = document.createDocumentFragment();
  const piece = (part: string, kind: number, changed: boolean) => {
    const className = [kind > 0 && css[`k-${KINDS[kind]}`], changed && css.word].filter(Boolean).join(' ');
    const into = className ? document.createElement('span') : to;
    if (into instanceof HTMLElement) into.className = className;
    if (!hasHidden(part)) into.append(part);
    else
      for (const { text: some, mark } of parts(part)) {
        if (mark === undefined) {
          into.append(some);
          continue;
        }
        const hidden = document.createElement('span');
        hidden.className = css.hidden ?? '';
        hidden.title = `The character ${mark}, made visible`;
        hidden.textContent = mark;
        into.append(hidden);
      }
    if (into !== to) to.append(into);
  };
  let at = 0;
  const until = (end: number, kind: number) => {
    while (at < end) {
      const inside = word !== undefined && at >= word[0] && at < word[1];
      const stop =
        word === undefined
          ? end
          : at < word[0]
            ? Math.min(end, word[0])
            : inside
              ? Math.min(end, word[1])
              : end;
      piece(shown.slice(at, stop), kind, inside);
      at = stop;
    }
  };
  for (let i = 0; pieces && i + 1 < pieces.length && at < shown.length; i += 2)
    until(Math.min(shown.length, at + (pieces[i] ?? 0)), pieces[i + 1] ?? 0);
  until(shown.length, 0);
  if (shown !== text) {
    const more = document.createElement('button');
    more.type = 'button';
    more.className = css.more ?? '';
    more.dataset.more = '';
    more.textContent = `… ${(text.length - shown.length).toLocaleString()} more characters`;
    to.append(more);
  }
  element.replaceChildren(to);
}

/** All rows of one file. */
export class FileRows {
  readonly views: HunkView[] = [];
  /** How many rows there are by now. */
  made = 0;
  private filling: Generator<void> | undefined;

  constructor(
    readonly host: HTMLElement,
    readonly groups: Group[],
    readonly layout: Layout,
    readonly language: Language | undefined,
    readonly digits: number,
    readonly watch: (block: HTMLElement, view: HunkView) => void,
    readonly work: (some: Generator<void>) => void,
    /** Whether a hunk is part of what is put together. */
    public isTaken: (cell: Cell) => boolean,
    private limit = FILE_LIMIT,
  ) {
    this.filling = this.fill();
  }

  /** Makes its rows, a block at a time. */
  *fill(): Generator<void> {
    this.host.style.setProperty('--digits', String(this.digits));
    for (const group of this.groups) {
      const columns = group.columns.map((cells) => {
        const column = div(css.column);
        for (const cell of cells) {
          const view = new HunkView(cell, this);
          this.views.push(view);
          column.append(view.element);
        }
        return column;
      });
      const [only] = columns;
      if (columns.length === 1 && only) this.host.append(...only.children);
      else {
        const group = div(css.columns);
        group.append(...columns);
        this.host.append(group);
      }
      const first = this.views.length - group.columns.reduce((sum, cells) => sum + cells.length, 0);
      for (const view of this.views.slice(first)) yield* view.fill(this.layout);
    }
  }

  /** One step; whether there is more to do by itself. */
  step(): boolean {
    if (!this.filling) return false;
    if (this.made >= this.limit) {
      this.offerRest();
      return false;
    }
    if (this.filling.next().done) {
      this.filling = undefined;
      this.host.style.minBlockSize = '';
    }
    return this.filling !== undefined;
  }

  private offerRest(): void {
    this.host.style.minBlockSize = '';
    const total = this.groups.flatMap(({ columns }) => columns.flat());
    const rest = total.reduce((sum, { hunk }) => sum + hunk.lines.length, 0) - this.made;
    if (rest <= 0 || this.host.querySelector('[data-rest]')) return;
    const more = document.createElement('button');
    more.type = 'button';
    more.className = css.rest ?? '';
    more.dataset.rest = '';
    more.textContent = `Show ${rest} more lines`;
    more.onclick = () => {
      more.remove();
      this.limit = Number.POSITIVE_INFINITY;
      this.work(stepsOf(this));
    };
    this.host.append(more);
  }

  /** Fills what is seen first. */
  begin(rows: number): void {
    while (this.step()) if (this.host.getElementsByClassName(css.line ?? '').length >= rows) return;
  }

  finish(): void {
    this.limit = Number.POSITIVE_INFINITY;
    this.host.querySelector('[data-rest]')?.remove();
    while (this.step());
  }

  /** Nothing more is made, and what was is gone. */
  drop(): void {
    this.filling = undefined;
    this.host.replaceChildren();
  }

  get filled(): boolean {
    return this.filling === undefined;
  }

  viewOf(element: Element): HunkView | undefined {
    const hunk = element.closest(`.${css.hunk}`);
    return this.views.find((view) => view.element === hunk);
  }

  /** The row that an event is about. */
  rowOf(target: EventTarget | null): RowPlace | undefined {
    const row = target instanceof Element ? target.closest<HTMLElement>(`.${css.line}`) : null;
    return (row && this.viewOf(row)?.placeOf(row)) ?? undefined;
  }

  /** Where something about a line goes: an element behind its row, made if need be. */
  hostOf(attempt: number, place: Place, key: string): HTMLElement | undefined {
    for (const view of this.views) {
      if (view.cell.attempt !== attempt) continue;
      const row = view.rowOf(place);
      if (!row) continue;
      let after: Element = row;
      for (;;) {
        const next: Element | null = after.nextElementSibling;
        if (!(next instanceof HTMLElement) || next.className !== css.host) break;
        if (next.dataset.key === key) return next;
        after = next;
      }
      const host = div(css.host);
      host.dataset.key = key;
      after.after(host);
      return host;
    }
    return undefined;
  }
}

/** All that is made by itself. */
export function* stepsOf(rows: FileRows): Generator<void> {
  while (rows.step()) yield;
}

export type { HunkView };
