import { expect, it } from 'vitest';
import { closest } from './match';

const all = ['Open environments', 'New task', 'Environment payments-api', 'Cancel the task'];
const found = (wanted: string, limit = 9) => closest(all, wanted, (text) => text, limit);

it('finds by words, beginnings of texts and of words first', () => {
  expect(found('')).toEqual(all);
  expect(found('env')).toEqual(['Environment payments-api', 'Open environments']);
  expect(found('task')).toEqual(['New task', 'Cancel the task']);
  expect(found('api pay')).toEqual(['Environment payments-api']);
  expect(found('nothing')).toEqual([]);
  expect(found('', 1)).toEqual(['Open environments']);
});
