import { describe, expect, it } from 'vitest';
import { entries, groups, isSame, type Source } from './compare';
import { byRow, sideOf } from './highlighter';
import { languageOf } from './languages';
import { locate, numbers, pairs, parsePatch, placeOf, unquote } from './patch';
import { count, initial, request, toggle, toggleFile, WHOLE } from './selection';
import { hasHidden, parts, plain } from './visible';
import { difference } from './words';

const PATCH = `diff --git a/src/a.rs b/src/a.rs
index 1111111111111111111111111111111111111111..2222222222222222222222222222222222222222 100644
--- a/src/a.rs
+++ b/src/a.rs
@@ -3,4 +3,5 @@ fn main() {
 one
-two
---- not a header
+two, changed
+++ not a header
+@@ -1 +1 @@ not a hunk
 end
@@ -40 +41,0 @@
-gone
\\ No newline at end of file
diff --git a/old name.txt b/new name.txt
similarity index 100%
rename from old name.txt
rename to new name.txt
diff --git "a/\\303\\251\\t.txt" "b/\\303\\251\\t.txt"
new file mode 100644
index 0000000000000000000000000000000000000000..3333333333333333333333333333333333333333
--- /dev/null
+++ "b/\\303\\251\\t.txt"
@@ -0,0 +1 @@
+diff --git a/x b/x
diff --git a/logo.png b/logo.png
index 1111111111111111111111111111111111111111..2222222222222222222222222222222222222222 100644
GIT binary patch
literal 3
KcmZ

literal 0
HcmV?d00001

diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git a/gone.md b/gone.md
deleted file mode 100644
index 1111111111111111111111111111111111111111..0000000000000000000000000000000000000000
--- a/gone.md
+++ /dev/null
@@ -1 +0,0 @@
-text
`;

const only = <T>(found: T | undefined): T => {
  if (found === undefined) throw new Error('there is one');
  return found;
};

describe('a patch', () => {
  const files = parsePatch(PATCH);

  it('is read file by file, and lines that look like headers stay lines', () => {
    expect(
      files.map(({ path, oldPath, change, modes, binary, additions, deletions, hunks }) => ({
        path,
        ...(oldPath && { oldPath }),
        change,
        ...(modes && { modes }),
        ...(binary && { binary }),
        sums: `+${additions} -${deletions}`,
        hunks: hunks.map(({ heading, lines }) => `${heading}: ${lines.length}`),
      })),
    ).toEqual([
      { path: 'src/a.rs', change: 'modified', sums: '+3 -3', hunks: ['fn main() {: 7', ': 2'] },
      { path: 'new name.txt', oldPath: 'old name.txt', change: 'renamed', sums: '+0 -0', hunks: [] },
      { path: 'é\t.txt', change: 'added', sums: '+1 -0', hunks: [': 1'] },
      { path: 'logo.png', change: 'modified', binary: true, sums: '+0 -0', hunks: [] },
      { path: 'run.sh', change: 'modified', modes: '100644 → 100755', sums: '+0 -0', hunks: [] },
      { path: 'gone.md', change: 'deleted', sums: '+0 -1', hunks: [': 1'] },
    ]);
  });

  it('gives each row the numbers of both sides, and finds a row by them', () => {
    const file = only(files[0]);
    const hunk = only(file.hunks[0]);
    expect([...numbers(hunk).old]).toEqual([3, 4, 5, 0, 0, 0, 6]);
    expect([...numbers(hunk).new]).toEqual([3, 0, 0, 4, 5, 6, 7]);
    for (const row of hunk.lines.keys()) {
      const place = only(placeOf(hunk, row));
      expect(locate(file, place)).toEqual({ hunk: 0, row });
    }
    expect(locate(file, { side: 'old', line: 40 })).toEqual({ hunk: 1, row: 0 });
    expect(locate(file, { side: 'new', line: 400 })).toBeUndefined();
    expect(placeOf(only(file.hunks[1]), 1)).toBeUndefined();
  });

  it('puts what came in the place of something beside it', () => {
    expect(pairs(only(files[0]?.hunks[0]))).toEqual([
      [0, 0],
      [1, 3],
      [2, 4],
      [-1, 5],
      [6, 6],
    ]);
  });

  it('has names as git quotes them', () => {
    expect(unquote('"tab\\there \\"and\\" \\360\\237\\246\\200"')).toBe('tab\there "and" 🦀');
    expect(unquote('plain')).toBe('plain');
  });

  it('that is cut off is read as far as it goes', () => {
    expect(parsePatch('diff --git a/x b/x\n@@ -1,9 +1,9 @@\n a\n+b')[0]?.hunks[0]?.lines).toEqual([
      ' a',
      '+b',
    ]);
    expect(parsePatch('')).toEqual([]);
  });
});

describe('what would not be seen', () => {
  it('is marked, and nothing is lost', () => {
    const text = 'a\u202eb\u0007c\td\u200be\ud800f';
    expect(
      parts(text)
        .map((part) => part.text)
        .join(''),
    ).toBe(text);
    expect(plain(text)).toBe('a⟦U+202E⟧b⟦U+0007⟧c\td⟦ZWSP⟧e⟦U+D800⟧f');
    expect(plain('\u001b[31m')).toBe('⟦ESC⟧[31m');
  });
  it('is not found in ordinary text', () => {
    expect(hasHidden('fn main() { println!("é 🦀 中"); }\t')).toBe(false);
  });
});

describe('where two lines differ', () => {
  it('is said in whole words', () => {
    const old = '  let value = store.read(key);';
    const fresh = '  let values = store.read(key);';
    const found = only(difference(old, fresh));
    expect(old.slice(...found.old)).toBe('value');
    expect(fresh.slice(...found.new)).toBe('values');
  });
  it('is not said of lines that have little in common', () => {
    expect(difference('  return 1;', '  throw new Error(message);')).toBeUndefined();
    expect(difference('', 'x')).toBeUndefined();
    expect(difference('    if (a.revision !== expected) { throw stale(); }', '    }')).toBeUndefined();
  });
});

describe('colours', () => {
  it('go to the rows of their side', () => {
    const lines = [' a', '-b', '+c', '\\ No newline', ' d'];
    expect(sideOf(lines, '+')).toBe('a\nc\nd');
    expect(sideOf(lines, '-')).toBe('a\nb\nd');
    const fresh = Uint32Array.from([1, 1, 10, 1, 1, 11, 1, 1, 12]);
    const old = Uint32Array.from([1, 1, 20, 1, 1, 21, 1, 1, 22]);
    expect(byRow(lines, fresh, old).map((row) => [...row])).toEqual([[1, 10], [1, 21], [1, 11], [], [1, 12]]);
  });
  it('follow the name of a file', () => {
    expect(
      ['a/b.rs', 'Dockerfile', 'x.tsx', 'Makefile', 'package-lock.json', 'none'].map(languageOf),
    ).toEqual(['rust', 'docker', 'tsx', 'make', undefined, undefined]);
  });
});

const file = (path: string, ...hunks: string[]) =>
  `diff --git a/${path} b/${path}\n--- a/${path}\n+++ b/${path}\n${hunks.join('')}`;
const A = '@@ -1,2 +1,2 @@\n a\n-b\n+B\n';
const OTHER = '@@ -1,2 +1,2 @@\n a\n-b\n+other\n';
const C = '@@ -50,1 +50,2 @@\n x\n+y\n';

describe('two attempts', () => {
  const sources: Source[] = [
    { attempt: 1, files: parsePatch(file('both', A, C) + file('mine', A)) },
    { attempt: 2, files: parsePatch(file('both', OTHER, C) + file('theirs', C)) },
  ];

  it('stand side by side where they did something to the same lines', () => {
    const all = entries(sources);
    expect(all.map(({ path, patches }) => [path, ...patches.map(Boolean)])).toEqual([
      ['both', true, true],
      ['mine', true, false],
      ['theirs', false, true],
    ]);
    const [first, second] = groups(only(all[0]), sources);
    expect(first?.columns.map((cells) => cells.map(({ attempt, index }) => `${attempt}:${index}`))).toEqual([
      ['1:0'],
      ['2:0'],
    ]);
    expect(second).toMatchObject({
      same: true,
      columns: [[{ attempt: 1, index: 1, twin: { attempt: 2, index: 1 } }]],
    });
    expect(all.map(isSame)).toEqual([false, false, false]);
  });

  it('can be mixed: of the same lines only one is taken', () => {
    let taken = initial(sources);
    expect(count(taken, sources)).toEqual({ taken: 3, left: 0, added: 0 });
    taken = toggle(taken, sources, 2, 'both', 0);
    expect([...only(taken.get('1:both'))]).toEqual([1]);
    taken = toggleFile(taken, sources, 2, 'theirs');
    expect(count(taken, sources)).toEqual({ taken: 4, left: 1, added: 2 });
    taken = toggle(taken, sources, 1, 'both', 0);
    expect([...only(taken.get('2:both'))]).toEqual([]);
  });

  it('are asked for by the names of the server', () => {
    const names = (attempt: number) => ({
      files: only(sources[attempt - 1]).files.map((one) => ({
        id: `${attempt}${one.path}`,
        path: one.path,
        status: one.change,
        additions: one.additions,
        deletions: one.deletions,
        binary: one.binary,
        hunks: one.hunks.map((hunk, i) => ({
          id: `${attempt}${one.path}${i}`,
          header: '',
          old_start: hunk.oldStart,
          old_lines: hunk.oldLines,
          new_start: hunk.newStart,
          new_lines: hunk.newLines,
        })),
      })),
    });
    const parts = new Map([
      [1, names(1)],
      [2, names(2)],
    ]);
    const taken = toggle(initial(sources), sources, 2, 'both', 0);
    expect(request(taken, sources, parts, undefined)).toEqual([
      { attempt: 1, files: ['1mine'], hunks: ['1both1'] },
      { attempt: 2, files: [], hunks: ['2both0'] },
    ]);
  });

  it('a file without hunks is taken as a whole', () => {
    const binary: Source[] = [
      { attempt: 1, files: parsePatch('diff --git a/x b/x\nold mode 1\nnew mode 2\n') },
    ];
    expect([...only(initial(binary).get('1:x'))]).toEqual([WHOLE]);
    expect(count(toggleFile(initial(binary), binary, 1, 'x'), binary)).toEqual({
      taken: 0,
      left: 1,
      added: 0,
    });
  });
});
