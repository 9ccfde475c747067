import { describe, expect, it } from 'vitest';
import { Heights } from './heights';

describe('Heights', () => {
  it('agrees with adding up, however rows come and change', () => {
    const heights = new Heights();
    const plain: number[] = [];
    let seed = 7;
    const next = () => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed;
    };
    for (let step = 0; step < 3_000; step++) {
      if (plain.length === 0 || next() % 3 !== 0) {
        const height = 1 + (next() % 90);
        plain.push(height);
        heights.push(height);
      } else {
        const row = next() % plain.length;
        plain[row] = 1 + (next() % 90);
        heights.set(row, plain[row] ?? 0);
      }
    }
    let sum = 0;
    for (const [row, height] of plain.entries()) {
      expect(heights.before(row)).toBe(sum);
      expect(heights.at(sum)).toBe(row);
      expect(heights.at(sum + height - 1)).toBe(row);
      sum += height;
    }
    expect(heights.total).toBe(sum);
    expect(heights.at(sum + 1000)).toBe(plain.length - 1);
    expect(heights.at(-5)).toBe(0);
  });
  it('has nothing in it at first, and after clearing', () => {
    const heights = new Heights();
    expect([heights.count, heights.total, heights.at(3)]).toEqual([0, 0, 0]);
    heights.push(4);
    heights.clear();
    expect([heights.count, heights.total, heights.at(3)]).toEqual([0, 0, 0]);
  });
});
