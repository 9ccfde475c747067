import type { FilePatch, Hunk } from './patch';
import type { Cell, Group } from './rows';

/** What an attempt made of the base. */
export interface Source {
  /** The attempt's number. */
  attempt: number;
  files: FilePatch[];
}

/** A file of one attempt, or of two. */
export interface Entry {
  path: string;
  /** By source; `undefined`: it does not touch the file. */
  patches: (FilePatch | undefined)[];
}

/** The files of all sources, by path, in git's order. */
export function entries(sources: Source[]): Entry[] {
  const [first, second] = sources;
  if (!first) return [];
  if (!second) return first.files.map((file) => ({ path: file.path, patches: [file] }));
  const other = new Map(second.files.map((file) => [file.path, file]));
  const found: Entry[] = first.files.map((file) => ({
    path: file.path,
    patches: [file, other.get(file.path)],
  }));
  const known = new Set(first.files.map((file) => file.path));
  for (const file of second.files)
    if (!known.has(file.path)) found.push({ path: file.path, patches: [undefined, file] });
  return found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** Whether both attempts did the same to a file. */
export function isSame({ patches: [a, b] }: Entry): boolean {
  return (
    a !== undefined &&
    b !== undefined &&
    a.change === b.change &&
    a.hunks.length === b.hunks.length &&
    !a.binary &&
    a.hunks.every((hunk, i) => sameHunk(hunk, b.hunks[i]))
  );
}

/** The same change at the same place of the base. */
export function sameHunk(a: Hunk, b: Hunk | undefined): boolean {
  return (
    b !== undefined &&
    a.oldStart === b.oldStart &&
    a.lines.length === b.lines.length &&
    a.lines.every((line, i) => line === b.lines[i])
  );
}

const end = (hunk: Hunk) => hunk.oldStart + Math.max(hunk.oldLines, 1);

/** Whether two hunks are about the same lines of the base, so that one can be taken, not both. */
export const overlap = (a: Hunk, b: Hunk) => a.oldStart < end(b) && b.oldStart < end(a);

/** The hunks of a file in the order of the base: what two attempts did to the same lines stands side by side. */
export function groups(entry: Entry, sources: Source[]): Group[] {
  const two = sources.length > 1;
  const alone = entry.patches.filter(Boolean).length < 2;
  const cells: { cell: Cell; column: number }[] = entry.patches.flatMap((file, column) =>
    (file?.hunks ?? []).map((hunk, index) => {
      const attempt = sources[column]?.attempt ?? 0;
      return { cell: { hunk, index, attempt, ...(two && { name: `Attempt ${attempt}` }) }, column };
    }),
  );
  if (alone) return cells.map(({ cell }) => ({ columns: [[cell]], same: false }));
  cells.sort((a, b) => a.cell.hunk.oldStart - b.cell.hunk.oldStart || a.column - b.column);
  const found: Group[] = [];
  let until = -1;
  for (const { cell, column } of cells) {
    let group = found.at(-1);
    if (!group || cell.hunk.oldStart >= until) {
      group = { columns: [[], []], same: false };
      found.push(group);
    }
    group.columns[column]?.push(cell);
    until = Math.max(until, end(cell.hunk));
  }
  return found.map((group) => {
    const [[left, ...more] = [], [right, ...others] = []] = group.columns;
    if (!left || !right || more.length + others.length > 0 || !sameHunk(left.hunk, right.hunk)) return group;
    const twin = { attempt: right.attempt, index: right.index };
    return { columns: [[{ ...left, twin, name: 'Both attempts' }]], same: true };
  });
}
