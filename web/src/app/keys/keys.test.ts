import { expect, it } from 'vitest';
import { Presses } from './keys';

const bound = (keys: string) => ['g t', 'g e', 't', 'r'].includes(keys);

it('finds single keys, pairs, and pairs before single keys', () => {
  const presses = new Presses();
  const press = (key: string, at: number) => presses.press(key, at, bound);
  expect(press('r', 0)).toBe('r');
  expect(press('g', 10)).toBeUndefined();
  expect(press('t', 20)).toBe('g t');
  expect(press('t', 30)).toBe('t');
  expect(press('g', 40)).toBeUndefined();
  expect(press('t', 40_000)).toBe('t');
  expect(press('g', 50_000)).toBeUndefined();
  expect(press('q', 50_010)).toBeUndefined();
  expect(press('t', 50_020)).toBe('t');
});
