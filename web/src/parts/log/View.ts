import { Heights } from './heights';
import { type Item, LINE_CHARS, type LogModel, type Row } from './model';

/** How wide the log is, in characters of its own type. */
export interface Measures {
  columns: number;
}

export const LINE_PX = 18;

/**
 * Where each row of a log stands. Heights are guessed from the text, exactly for most lines, and corrected by what the browser says of those
 * that it has drawn.
 */
export class View {
  readonly heights = new Heights();
  private known = new Map<number, number>();
  private remade = -1;
  private columns = 0;

  constructor(private readonly model: LogModel) {}

  /** Takes up what the log has got since; `anchor` is the row that is to stay where it is. */
  update({ columns }: Measures): void {
    const rows = this.model.rows();
    if (columns !== this.columns) {
      this.known.clear();
      this.remade = -1;
      this.columns = columns;
    }
    if (this.remade !== this.model.remade) {
      this.heights.clear();
      this.remade = this.model.remade;
    }
    for (let at = this.heights.count; at < rows.length; at++) {
      const row = rows[at] as Row;
      this.heights.push(this.known.get(key(row)) ?? this.guess(row));
    }
  }

  measured(at: number, height: number): boolean {
    const row = this.model.rows()[at];
    if (!row || Math.abs(this.heights.of(at) - height) < 0.5) return false;
    this.known.set(key(row), height);
    this.heights.set(at, height);
    return true;
  }

  /** Where a row stands now; rows are in the order of the log, so that it is found by halving. */
  indexOf(row: Row): number {
    const rows = this.model.rows();
    const wanted = key(row);
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (key(rows[middle] as Row) < wanted) low = middle + 1;
      else high = middle;
    }
    return Math.min(low, Math.max(0, rows.length - 1));
  }

  private guess({ item: index, line }: Row): number {
    const item = this.model.items[index] as Item;
    if (line >= 0 && (item.kind === 'output' || item.kind === 'command')) {
      return wrapped(item.lines[line]?.text ?? '', this.columns) * LINE_PX;
    }
    switch (item.kind) {
      case 'step':
        return 34;
      case 'message':
      case 'said':
        return 20 + item.text.split('\n').reduce((sum, text) => sum + wrapped(text, this.columns) * 20, 0);
      case 'files':
        return 8 + item.files.length * 20;
      case 'plan':
        return 12 + item.entries.length * 20;
      default:
        return 28;
    }
  }
}

const wrapped = (text: string, columns: number) =>
  Math.max(1, Math.ceil(Math.min(text.length, LINE_CHARS) / Math.max(1, columns)));

const key = ({ item, line }: Row) => item * 10_000_000 + line + 1;
