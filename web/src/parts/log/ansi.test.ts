import { describe, expect, it } from 'vitest';
import { overwritten, PLAIN_PEN, penAfter, spans, withoutLooks } from './ansi';

const looks = (text: string) =>
  spans(text, PLAIN_PEN).spans.map(({ text, pen }) => [
    text,
    Object.fromEntries(Object.entries(pen).filter(([, value]) => value)),
  ]);

describe('spans', () => {
  it('leaves plain lines alone', () => {
    expect(looks('plain')).toEqual([['plain', {}]]);
    expect(looks('')).toEqual([]);
  });
  it('reads colours of all three kinds', () => {
    expect(looks('\u001b[31mred\u001b[0m and \u001b[1;92mgreen\u001b[m.')).toEqual([
      ['red', { ink: 1 }],
      [' and ', {}],
      ['green', { ink: 2, bold: true }],
      ['.', {}],
    ]);
    expect(looks('\u001b[38;5;196ma\u001b[38;2;20;200;220mb\u001b[48;5;21mc')).toEqual([
      ['a', { ink: 1 }],
      ['b', { ink: 6 }],
      ['c', { ink: 6, ground: 4 }],
    ]);
  });
  it('never hides text: black, concealed and white look like text', () => {
    expect(looks('\u001b[30mx\u001b[0m\u001b[8my\u001b[97mz')).toEqual([
      ['x', { ink: 7 }],
      ['yz', {}],
    ]);
  });
  it('drops erasing and keeps every other sequence to be seen', () => {
    expect(withoutLooks('\u001b[2K\u001b[1Gdone\u001b[?25l')).toBe('\u001b[1Gdone');
    expect(withoutLooks('\u001b]0;title\u0007x')).toBe('\u001b]0;title\u0007x');
  });
  it('goes on in the next line', () => {
    const { pen } = spans('\u001b[33mwarning:', PLAIN_PEN);
    expect(pen.ink).toBe(3);
    expect(penAfter('\u001b[33mwarning:', PLAIN_PEN)).toEqual(pen);
    expect(spans('more', pen).spans[0]?.pen.ink).toBe(3);
  });
});

it('overwritten lines show what was written last', () => {
  expect(overwritten('10%\r50%\r100%\r')).toEqual({ text: '100%', times: 2 });
  expect(overwritten('line\r')).toEqual({ text: 'line', times: 0 });
  expect(overwritten('line')).toEqual({ text: 'line', times: 0 });
});
