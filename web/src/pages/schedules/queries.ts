import { queryOptions } from '@tanstack/react-query';
import { call } from '@/api/call';
import { getSchedule, listSchedules } from '@/api/generated';

export const schedulesQuery = queryOptions({
  queryKey: ['schedules'],
  queryFn: async ({ signal }) => (await call(listSchedules({ signal }))).items,
});

export const scheduleQuery = (id: string) =>
  queryOptions({
    queryKey: ['schedules', id],
    queryFn: ({ signal }) => call(getSchedule({ path: { id }, signal })),
    refetchInterval: 15_000,
  });

/** A time as it is read in the schedule's own time zone: `Mon 7 Dec 2026, 07:00`. */
export function timeIn(at: string, zone: string): string {
  try {
    return written(at, zone);
  } catch {
    // A zone that the server knows and this browser does not.
    return `${written(at, 'UTC')} UTC`;
  }
}

function written(at: string, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone,
  }).formatToParts(new Date(at));
  const of = (type: string) => parts.find((part) => part.type === type)?.value ?? '';
  return `${of('weekday')} ${of('day')} ${of('month')} ${of('year')}, ${of('hour')}:${of('minute')}`;
}
