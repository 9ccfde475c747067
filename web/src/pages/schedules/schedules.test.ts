import { expect, it } from 'vitest';
import { draftOf, EMPTY, patchOf, requestOf } from './draft';
import { timeIn } from './queries';

it('is shown in its own time zone, on both sides of a change of the clock', () => {
  expect(timeIn('2026-12-07T06:00:00Z', 'Europe/Vienna')).toBe('Mon 7 Dec 2026, 07:00');
  expect(timeIn('2027-07-05T05:00:00Z', 'Europe/Vienna')).toBe('Mon 5 Jul 2027, 07:00');
  expect(timeIn('2026-12-07T06:00:00Z', 'No/Where')).toBe('Mon 7 Dec 2026, 06:00 UTC');
});

it('is sent without what was left as it is', () => {
  const draft = { ...EMPTY, timetable: ' 0 7 * * 1-5 ', environment: 'demo', prompt: 'Look for dead code' };
  expect(requestOf(draft)).toEqual({
    timetable: '0 7 * * 1-5',
    time_zone: draft.time_zone,
    environment: 'demo',
    prompt: 'Look for dead code',
    missed: 'skip',
    overlap: 'skip',
    pull_request: false,
  });
  const schedule = {
    ...requestOf(draft),
    environment_label: 'demo',
    environment_id: 'env_1',
    branch: null,
  } as unknown as Parameters<typeof draftOf>[0];
  const before = draftOf(schedule);
  expect(patchOf(before, before)).toEqual({});
  expect(patchOf(before, { ...before, overlap: 'queue', branch: 'next' })).toEqual({
    overlap: 'queue',
    branch: 'next',
  });
  expect(patchOf({ ...before, branch: 'next' }, before)).toEqual({ branch: '' });
});
