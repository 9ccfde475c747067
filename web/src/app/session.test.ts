import { expect, test } from 'vitest';
import { ownPath } from './session';

test('only a path of this page is gone to after signing in', () => {
  for (const path of ['/', '/tasks/task_1?turn=2#x', '/new']) expect(ownPath(path)).toBe(path);
  for (const other of [
    undefined,
    '',
    'tasks',
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:1',
  ])
    expect(ownPath(other)).toBe('/');
});
