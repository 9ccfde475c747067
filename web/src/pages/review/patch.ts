/** What happened to a file. */
export type Change = 'added' | 'deleted' | 'modified' | 'renamed' | 'copied';

/** One piece of a file's change, as git cut it. */
export interface Hunk {
  /** The function or heading that git names behind the second `@@`. */
  heading: string;
  oldStart: number;
  oldLines: number;
  newStart: number;
  newLines: number;
  /** Each with git's first character: space, `+`, `-`, or `\` for a remark on the line before. */
  lines: string[];
}

export interface FilePatch {
  path: string;
  /** Its former path; absent when it was not renamed or copied. */
  oldPath?: string;
  change: Change;
  /** Such as `100644 → 100755`; absent when it stayed. */
  modes?: string;
  binary: boolean;
  additions: number;
  deletions: number;
  /** Rows that its hunks take. */
  rows: number;
  hunks: Hunk[];
}

export type Side = 'old' | 'new';

/** A line of one side, as comments name it. */
export interface Place {
  side: Side;
  line: number;
}

/** Reads what `git diff --binary --full-index` writes. What it does not know it passes over. */
export function parsePatch(text: string): FilePatch[] {
  const files: FilePatch[] = [];
  let file: FilePatch | undefined;
  let at = 0;
  const next = () => {
    const end = text.indexOf('\n', at);
    const line = end < 0 ? text.slice(at) : text.slice(at, end);
    at = end < 0 ? text.length : end + 1;
    return line;
  };
  while (at < text.length) {
    const line = next();
    if (line.startsWith('diff --git ')) {
      file = startFile(line.slice('diff --git '.length));
      files.push(file);
    } else if (!file) {
      // A remark in front of the first file.
    } else if (line.startsWith('@@ -')) {
      const hunk = startHunk(line);
      if (!hunk) continue;
      // The counts say where it ends: a line of it may look like the beginning of anything.
      let left = hunk.oldLines;
      let right = hunk.newLines;
      while ((left > 0 || right > 0) && at < text.length) {
        const row = next();
        const sign = row[0];
        if (sign === '+') {
          right--;
          file.additions++;
        } else if (sign === '-') {
          left--;
          file.deletions++;
        } else if (sign !== '\\') {
          left--;
          right--;
        }
        hunk.lines.push(row === '' ? ' ' : row);
      }
      if (text[at] === '\\') hunk.lines.push(next());
      file.rows += hunk.lines.length;
      file.hunks.push(hunk);
    } else {
      header(file, line);
    }
  }
  return files;
}

function startFile(names: string): FilePatch {
  const file: FilePatch = {
    path: pathOfBoth(names),
    change: 'modified',
    binary: false,
    additions: 0,
    deletions: 0,
    rows: 0,
    hunks: [],
  };
  return file;
}

/** Of `a/x b/x` the `x`; for a renamed file a later line says it better. */
function pathOfBoth(names: string): string {
  if (names.startsWith('"')) return withoutPrefix(unquote(names.slice(0, endOfQuoted(names))));
  const half = (names.length - 1) / 2;
  if (Number.isInteger(half) && names[half] === ' ') return withoutPrefix(names.slice(0, half));
  return withoutPrefix(names);
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)$/s;

function startHunk(line: string): Hunk | undefined {
  const found = HUNK.exec(line);
  if (!found) return undefined;
  const [, oldStart, oldLines = '1', newStart, newLines = '1', heading = ''] = found;
  return {
    heading,
    oldStart: Number(oldStart),
    oldLines: Number(oldLines),
    newStart: Number(newStart),
    newLines: Number(newLines),
    lines: [],
  };
}

function header(file: FilePatch, line: string): void {
  const take = (prefix: string) => (line.startsWith(prefix) ? line.slice(prefix.length) : undefined);
  const name = (prefix: string) => {
    const rest = take(prefix);
    return rest === undefined ? undefined : rest.startsWith('"') ? unquote(rest) : rest;
  };
  const from = name('rename from ') ?? name('copy from ');
  if (from !== undefined) file.oldPath = from;
  const to = name('rename to ') ?? name('copy to ');
  if (to !== undefined) {
    file.path = to;
    file.change = line.startsWith('rename') ? 'renamed' : 'copied';
  }
  if (line.startsWith('new file mode ')) file.change = 'added';
  if (line.startsWith('deleted file mode ')) file.change = 'deleted';
  if (line.startsWith('GIT binary patch') || line.startsWith('Binary files ')) file.binary = true;
  const oldMode = take('old mode ');
  if (oldMode) file.modes = oldMode;
  const newMode = take('new mode ');
  if (newMode) file.modes = `${file.modes ?? ''} → ${newMode}`;
  // A tab ends a name with a space in it.
  const named = (name('+++ ') ?? '').replace(/\t$/, '');
  if (named && named !== '/dev/null') file.path = withoutPrefix(named);
  const was = (name('--- ') ?? '').replace(/\t$/, '');
  if (was && was !== '/dev/null' && file.change === 'deleted') file.path = withoutPrefix(was);
}

const withoutPrefix = (path: string) => path.replace(/^[ab]\//, '');

function endOfQuoted(text: string): number {
  for (let i = 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}

const ESCAPES: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 };

/** A name as git quotes it: in double quotes, with escapes of C for bytes. */
export function unquote(quoted: string): string {
  if (!quoted.startsWith('"')) return quoted;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  const text = quoted.slice(1, endOfQuoted(quoted) - 1);
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '\\') {
      const point = text.codePointAt(i) ?? 0;
      bytes.push(...encoder.encode(String.fromCodePoint(point)));
      if (point > 0xffff) i++;
      continue;
    }
    const octal = /^[0-3][0-7]{2}/.exec(text.slice(i + 1, i + 4))?.[0];
    if (octal) {
      bytes.push(Number.parseInt(octal, 8));
      i += 3;
    } else {
      i++;
      bytes.push(ESCAPES[text[i] ?? ''] ?? text.charCodeAt(i));
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** The numbers that each row of a hunk has on both sides; 0: none. */
export function numbers(hunk: Hunk): { old: Int32Array; new: Int32Array } {
  const old = new Int32Array(hunk.lines.length);
  const fresh = new Int32Array(hunk.lines.length);
  let left = hunk.oldStart;
  let right = hunk.newStart;
  hunk.lines.forEach((line, i) => {
    const sign = line[0];
    if (sign === '\\') return;
    if (sign !== '+') old[i] = left++;
    if (sign !== '-') fresh[i] = right++;
  });
  return { old, new: fresh };
}

/** In which hunk and row a line is shown, or nothing. */
export function locate(file: FilePatch, { side, line }: Place): { hunk: number; row: number } | undefined {
  for (const [index, hunk] of file.hunks.entries()) {
    const start = side === 'old' ? hunk.oldStart : hunk.newStart;
    const count = side === 'old' ? hunk.oldLines : hunk.newLines;
    if (line < start || line >= start + count) continue;
    let now = start - 1;
    const row = hunk.lines.findIndex((text) => {
      const sign = text[0];
      if (sign === '\\' || sign === (side === 'old' ? '+' : '-')) return false;
      return ++now === line;
    });
    if (row >= 0) return { hunk: index, row };
  }
  return undefined;
}

/** What a comment on a row is about: the new side, but for what was removed. */
export function placeOf(hunk: Hunk, row: number): Place | undefined {
  const sign = hunk.lines[row]?.[0];
  if (sign === undefined || sign === '\\') return undefined;
  const side: Side = sign === '-' ? 'old' : 'new';
  let line = (side === 'old' ? hunk.oldStart : hunk.newStart) - 1;
  for (let i = 0; i <= row; i++) {
    const mark = hunk.lines[i]?.[0];
    if (mark !== '\\' && mark !== (side === 'old' ? '+' : '-')) line++;
  }
  return { side, line };
}

/** Rows in pairs for two columns: what was removed beside what came in its place. -1: nothing. */
export function pairs(hunk: Hunk): [number, number][] {
  const found: [number, number][] = [];
  const { lines } = hunk;
  let i = 0;
  while (i < lines.length) {
    const sign = lines[i]?.[0];
    if (sign !== '-' && sign !== '+') {
      found.push([i, i]);
      i++;
      continue;
    }
    const [left, right, end] = run(lines, i);
    for (let k = 0; k < Math.max(left.length, right.length); k++) found.push([left[k] ?? -1, right[k] ?? -1]);
    i = end;
  }
  return found;
}

/** The removed and the added rows of the run of changes that begins at `start`, and where it ends. */
export function run(lines: string[], start: number): [number[], number[], number] {
  const left: number[] = [];
  const right: number[] = [];
  let i = start;
  for (; i < lines.length; i++) {
    const sign = lines[i]?.[0];
    if (sign === '-') {
      if (right.length > 0) break;
      left.push(i);
    } else if (sign === '+') right.push(i);
    else if (sign === '\\') (right.length > 0 ? right : left).push(i);
    else break;
  }
  return [left, right, i];
}
