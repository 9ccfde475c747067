import { describe, expect, it } from 'vitest';
import type { TaskSummary } from '@/api/generated';
import { filtered, merged, type Pages } from './list';

const task = (number: number, more: Partial<TaskSummary> = {}): TaskSummary => ({
  id: `task_${number}`,
  title: `Title ${number}`,
  status: 'completed',
  url: '',
  environment_id: 'env_1',
  environment_label: 'demo',
  attempt_total: 1,
  is_review: false,
  summary: { files_changed: 0, lines_added: 0, lines_removed: 0 },
  created_at: `2026-11-30T10:00:${String(number).padStart(2, '0')}.000Z`,
  updated_at: '',
  ...more,
});
const pages = (...pages: TaskSummary[][]): Pages => ({
  pages: pages.map((items) => ({ items })),
  pageParams: [],
});
const ids = (all: readonly TaskSummary[]) => all.map(({ id }) => id);

describe('filtered', () => {
  const all = [
    task(1, { status: 'running', title: 'Fix the parser' }),
    task(2, { status: 'needs_input', title: 'Fix CI', environment_label: 'payments' }),
    task(3, { status: 'failed' }),
    task(4),
  ];
  it('by status and by words in any order', () => {
    const found = (status: 'all' | 'asks' | 'active' | 'done' | 'failed', text = '') =>
      ids(filtered(all, { status, text }));
    expect(filtered(all, { status: 'all', text: ' ' })).toBe(all);
    expect(found('active')).toEqual(['task_1', 'task_2']);
    expect(found('asks')).toEqual(['task_2']);
    expect(found('done')).toEqual(['task_4']);
    expect(found('failed')).toEqual(['task_3']);
    expect(found('all', 'PAY fix')).toEqual(['task_2']);
    expect(found('all', 'task_3')).toEqual(['task_3']);
    expect(found('done', 'fix')).toEqual([]);
  });
});

describe('merged', () => {
  const before = pages([task(9), task(8)], [task(7)]);
  it('is the same when nothing changed', () => {
    expect(merged(before, [task(9), task(8)])).toBe(before);
  });
  it('puts new tasks in front and changes those that are there, on every page', () => {
    const after = merged(before, [task(10), task(9, { status: 'failed' }), task(7, { title: 'New' })]);
    expect(after.pages.map(({ items }) => ids(items))).toEqual([['task_10', 'task_9', 'task_8'], ['task_7']]);
    expect(after.pages[0]?.items[1]?.status).toBe('failed');
    expect(after.pages[1]?.items[0]?.title).toBe('New');
    expect(after.pages[0]?.items[2]).toBe(before.pages[0]?.items[1]);
  });
  it('leaves out what belongs to a page that was not read', () => {
    expect(merged(before, [task(3)])).toBe(before);
  });
});
