import type { DiffFile, DiffParts, PartsOfAttempt } from '@/api/generated';
import { overlap, type Source } from './compare';
import type { FilePatch, Hunk } from './patch';

/** What is taken: of each attempt's file the numbers of its hunks; `WHOLE` for a file that has none (binary, renamed, a mode). */
export type Taken = ReadonlyMap<string, ReadonlySet<number>>;
export const WHOLE = -1;

export const keyOf = (attempt: number, path: string) => `${attempt}:${path}`;

const all = (file: FilePatch) => new Set(file.hunks.length ? file.hunks.map((_, i) => i) : [WHOLE]);

/** At first the first attempt as it is. */
export function initial(sources: Source[]): Taken {
  const [first] = sources;
  return new Map(first?.files.map((file) => [keyOf(first.attempt, file.path), all(file)]));
}

/** Takes or leaves one hunk. What another attempt did to the same lines is left when this is taken. */
export function toggle(taken: Taken, sources: Source[], attempt: number, path: string, index: number): Taken {
  const key = keyOf(attempt, path);
  const set = new Set(taken.get(key));
  const next = new Map(taken);
  next.set(key, set);
  if (set.delete(index)) return next;
  set.add(index);
  const hunk = fileOf(sources, attempt, path)?.hunks[index];
  for (const other of sources) {
    if (other.attempt === attempt) continue;
    const file = fileOf(sources, other.attempt, path);
    const otherKey = keyOf(other.attempt, path);
    const left = new Set(next.get(otherKey));
    if (!hunk || !file?.hunks.length) left.clear();
    else for (const [i, against] of file.hunks.entries()) if (overlap(hunk, against)) left.delete(i);
    next.set(otherKey, left);
  }
  return next;
}

/** Takes a file of one attempt as a whole, or leaves it; taken, the other attempt's is left. */
export function toggleFile(taken: Taken, sources: Source[], attempt: number, path: string): Taken {
  const file = fileOf(sources, attempt, path);
  if (!file) return taken;
  const next = new Map(taken);
  const key = keyOf(attempt, path);
  const has = isWhole(taken, attempt, file);
  next.set(key, has ? new Set<number>() : all(file));
  if (!has)
    for (const other of sources)
      if (other.attempt !== attempt) next.set(keyOf(other.attempt, path), new Set<number>());
  return next;
}

export const isWhole = (taken: Taken, attempt: number, file: FilePatch) =>
  (taken.get(keyOf(attempt, file.path))?.size ?? 0) === Math.max(file.hunks.length, 1);

const fileOf = (sources: Source[], attempt: number, path: string) =>
  sources.find((source) => source.attempt === attempt)?.files.find((file) => file.path === path);

export interface Count {
  /** Hunks taken, and files without hunks. */
  taken: number;
  /** Of the first attempt those that are left out. */
  left: number;
  /** Of the other attempt those that are taken. */
  added: number;
}

export function count(taken: Taken, sources: Source[]): Count {
  const [first, second] = sources;
  const sum = (source: Source | undefined) =>
    (source?.files ?? []).reduce(
      (n, file) => n + (taken.get(keyOf(source?.attempt ?? 0, file.path))?.size ?? 0),
      0,
    );
  const total = (first?.files ?? []).reduce((n, file) => n + Math.max(file.hunks.length, 1), 0);
  const mine = sum(first);
  const added = sum(second);
  return { taken: mine + added, left: total - mine, added };
}

/** What the server calls the chosen hunks. A file that is taken as a whole is named as one. */
export function request(
  taken: Taken,
  sources: Source[],
  parts: ReadonlyMap<number, DiffParts>,
  repository: string | undefined,
): PartsOfAttempt[] {
  const asked: PartsOfAttempt[] = [];
  for (const source of sources) {
    const files: string[] = [];
    const hunks: string[] = [];
    const known = new Map(parts.get(source.attempt)?.files.map((file) => [file.path, file]));
    for (const file of source.files) {
      const set = taken.get(keyOf(source.attempt, file.path));
      const named = known.get(file.path);
      if (!set?.size || !named) continue;
      if (isWhole(taken, source.attempt, file)) files.push(named.id);
      else
        for (const index of set) {
          const id = idOf(named, file.hunks[index]);
          if (id) hunks.push(id);
        }
    }
    if (files.length + hunks.length > 0)
      asked.push({ attempt: source.attempt, ...(repository && { repository }), files, hunks });
  }
  return asked;
}

function idOf(file: DiffFile, hunk: Hunk | undefined): string | undefined {
  return file.hunks.find(
    (one) =>
      one.old_start === hunk?.oldStart &&
      one.old_lines === hunk.oldLines &&
      one.new_start === hunk.newStart &&
      one.new_lines === hunk.newLines,
  )?.id;
}
