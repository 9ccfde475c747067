// @vitest-environment jsdom
import { describe, expect, it } from 'vitest';
import { groups } from './compare';
import { parsePatch } from './patch';
import { FileRows, type Layout, writeText } from './rows';

const PATCH = `diff --git a/a.rs b/a.rs
--- a/a.rs
+++ b/a.rs
@@ -1,3 +1,4 @@ fn <b>main</b>
 one
-two
+two <img src=x onerror=alert(1)>
+\u202ethree
 four
`;

function rowsOf(layout: Layout, patch = PATCH, limit?: number) {
  const [file] = parsePatch(patch);
  if (!file) throw new Error('there is one');
  const sources = [{ attempt: 1, files: [file] }];
  const host = document.createElement('div');
  const rows = new FileRows(
    host,
    groups({ path: file.path, patches: [file] }, sources),
    layout,
    undefined,
    2,
    () => {},
    (some) => [...some],
    () => true,
    limit,
  );
  return { host, rows };
}

const lines = (host: HTMLElement) =>
  [...host.querySelectorAll<HTMLElement>('[data-n]')].map(
    (row) => `${row.dataset.n?.replaceAll('\u00a0', ' ')}|${row.textContent}`,
  );

describe('the rows of a file', () => {
  it('have the numbers of both sides, and text is never markup', () => {
    const { host, rows } = rowsOf('unified');
    rows.finish();
    expect(lines(host)).toEqual([
      ' 1  1  |one',
      ' 2    -|two',
      '    2 +|two <img src=x onerror=alert(1)>',
      '    3 +|U+202Ethree',
      ' 3  4  |four',
    ]);
    expect(host.querySelector('img, b')).toBeNull();
    expect(host.textContent).toContain('fn <b>main</b>');
    expect(rows.filled).toBe(true);
  });

  it('stand beside each other in two columns', () => {
    const { host, rows } = rowsOf('split');
    rows.finish();
    expect(lines(host)).toEqual([
      ' 1  |one',
      ' 1  |one',
      ' 2 -|two',
      ' 2 +|two <img src=x onerror=alert(1)>',
      ' 3 +|U+202Ethree',
      ' 3  |four',
      ' 4  |four',
    ]);
  });

  it('have a place for what is said about a line, behind it, once', () => {
    for (const layout of ['unified', 'split'] as const) {
      const { host, rows } = rowsOf(layout);
      rows.finish();
      const place = rows.hostOf(1, { side: 'old', line: 2 }, 'a');
      expect(rows.hostOf(1, { side: 'old', line: 2 }, 'a')).toBe(place);
      expect(rows.hostOf(1, { side: 'old', line: 2 }, 'b')?.previousElementSibling).toBe(place);
      expect(place?.previousElementSibling?.textContent).toContain('two');
      expect(rows.hostOf(1, { side: 'new', line: 900 }, 'a')).toBeUndefined();
      const row = host.querySelectorAll('[data-n]')[layout === 'split' ? 2 : 1];
      expect(rows.rowOf(row ?? null)?.place).toEqual({ side: 'old', line: 2 });
    }
  });

  it('of a very long file are made when somebody asks', () => {
    const many = Array.from({ length: 900 }, (_, i) => `+${i}`).join('\n');
    const { host, rows } = rowsOf('unified', `diff --git a/a b/a\n@@ -0,0 +1,900 @@\n${many}\n`, 500);
    while (rows.step());
    expect(rows.made).toBe(540);
    const more = host.querySelector<HTMLButtonElement>('[data-rest]');
    expect(more?.textContent).toBe(`Show 360 more lines`);
    more?.click();
    expect([rows.made, rows.filled]).toEqual([900, true]);
  });
});

describe('a line', () => {
  const write = (text: string, pieces?: number[], word?: [number, number]) => {
    const row = document.createElement('div');
    writeText(row, text, pieces && Uint32Array.from(pieces), word);
    return row;
  };
  it('has colours and the changed word, and is still its text', () => {
    const row = write('let value = 1;', [3, 4, 9, 0, 1, 3, 1, 0], [4, 9]);
    expect(row.textContent).toBe('let value = 1;');
    expect([...row.children].map((span) => span.textContent)).toEqual(['let', 'value', '1']);
  });
  it('is whole when the pieces are too short or too long', () => {
    expect(write('abc', [1, 4]).textContent).toBe('abc');
    expect(write('abc', [100, 4, 5, 3]).textContent).toBe('abc');
  });
  it('that is very long is cut, and says how much more there is', () => {
    const row = write('x'.repeat(5_000));
    expect(row.textContent).toMatch(/^x{4000}… 1,000 more characters$/);
  });
});
