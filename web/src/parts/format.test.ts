import { expect, it } from 'vitest';
import { counted, duration, money, number, quoted, short } from './format';

it('durations', () => {
  expect([0, 420, 9_949, 9_960, 59_400, 59_600, 184_000, 7_530_000].map(duration)).toEqual([
    '0.0 s',
    '0.4 s',
    '9.9 s',
    '10 s',
    '59 s',
    '1 min 0 s',
    '3 min 4 s',
    '2 h 5 min',
  ]);
});
it('counts', () => {
  expect([7, 999, 1_000, 12_345, 999_949, 999_950, 4_100_000].map(short)).toEqual([
    '7',
    '999',
    '1.0k',
    '12k',
    '1000k',
    '1.0M',
    '4.1M',
  ]);
  expect(number(1234567)).toBe('1\u202f234\u202f567');
  expect([counted(1, 'file'), counted(2, 'file'), counted(2, 'retry', 'retries')]).toEqual([
    '1 file',
    '2 files',
    '2 retries',
  ]);
});
it('words of a shell', () => {
  expect([quoted('a/b.rs'), quoted('two words'), quoted("it's"), quoted('$x')]).toEqual([
    'a/b.rs',
    "'two words'",
    "'it'\\''s'",
    "'$x'",
  ]);
});
it('money', () => {
  expect(['0', '12.5', '0.9025', '0.0042', '0.0000071', 'x'].map(money)).toEqual([
    '0.00',
    '12.50',
    '0.90',
    '0.0042',
    '0.0000071',
    'x',
  ]);
});
