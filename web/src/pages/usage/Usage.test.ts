import { expect, test } from 'vitest';
import { time } from './Usage';

test('times are said in their two largest units', () => {
  expect([0, 59, 60, 90, 3600, 3 * 3600 + 125].map(time)).toEqual([
    '0 s',
    '59 s',
    '1 min 0 s',
    '1 min 30 s',
    '1 h 0 min',
    '3 h 2 min',
  ]);
});
