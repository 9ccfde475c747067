import type { MissedPolicy, NewSchedule, OverlapPolicy, Schedule, SchedulePatch } from '@/api/generated';

/** A schedule as it is written. */
export interface Draft {
  timetable: string;
  time_zone: string;
  environment: string;
  prompt: string;
  /** Empty: the environment's. */
  branch: string;
  missed: MissedPolicy;
  overlap: OverlapPolicy;
  pull_request: boolean;
}

export const EMPTY: Draft = {
  timetable: '',
  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC',
  environment: '',
  prompt: '',
  branch: '',
  missed: 'skip',
  overlap: 'skip',
  pull_request: false,
};

export const draftOf = (schedule: Schedule): Draft => ({
  timetable: schedule.timetable,
  time_zone: schedule.time_zone,
  environment: schedule.environment_label ?? schedule.environment_id,
  prompt: schedule.prompt,
  branch: schedule.branch ?? '',
  missed: schedule.missed,
  overlap: schedule.overlap,
  pull_request: schedule.pull_request,
});

const trimmed = (draft: Draft): Draft => ({
  ...draft,
  timetable: draft.timetable.trim(),
  time_zone: draft.time_zone.trim(),
  branch: draft.branch.trim(),
});

export function requestOf(draft: Draft): NewSchedule {
  const { branch, ...rest } = trimmed(draft);
  return { ...rest, ...(branch && { branch }) };
}

/** What is not as it was. */
export function patchOf(before: Draft, after: Draft): SchedulePatch {
  const was = trimmed(before);
  const changed = Object.entries(trimmed(after)).filter(
    ([name, value]) => was[name as keyof Draft] !== value,
  );
  return Object.fromEntries(changed);
}
