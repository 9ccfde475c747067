import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { call } from '@/api/call';
import {
  changeSchedule,
  type Firing,
  listFirings,
  removeSchedule,
  runSchedule,
  type Schedule,
  type SchedulePatch,
} from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Confirm } from '@/parts/Confirm';
import { Failed } from '@/parts/Failed';
import { Page, Section } from '@/parts/Page';
import { Plain } from '@/parts/Plain';
import { Refused } from '@/parts/Refused';
import { Scroll } from '@/parts/Scroll';
import { Status } from '@/parts/Status';
import table from '@/parts/Table.module.css';
import { SettingsNav } from '../settings/SettingsNav';
import { useMay } from '../task/actions';
import { draftOf, patchOf } from './draft';
import { scheduleQuery, schedulesQuery, timeIn } from './queries';
import { ScheduleForm } from './ScheduleForm';

/** One schedule: when it comes next, and what became of its times. */
export function SchedulePage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const schedule = useQuery(scheduleQuery(id));
  if (schedule.error && !schedule.data)
    return <Failed whole error={schedule.error} reset={() => void schedule.refetch()} />;
  if (!schedule.data) return <p className="notice">Reading the schedule…</p>;
  return <One key={id} schedule={schedule.data} />;
}

function One({ schedule }: { schedule: Schedule }) {
  const { id, title, timetable, time_zone, state, next_times, paused_reason, paused_at, created_by } =
    schedule;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const may = useMay();
  const [editing, setEditing] = useState(false);
  const again = () => queries.invalidateQueries({ queryKey: schedulesQuery.queryKey });
  const change = useMutation({
    mutationFn: (body: SchedulePatch) => call(changeSchedule({ path: { id }, body })),
    onSettled: again,
  });
  const run = useMutation({
    mutationFn: () => call<unknown>(runSchedule({ path: { id } })),
    onSettled: again,
  });
  const remove = useMutation({
    mutationFn: () => call<unknown>(removeSchedule({ path: { id } })),
    onSuccess: async () => {
      await navigate({ to: '/schedules' });
      await again();
    },
  });
  const paused = state === 'paused';
  return (
    <Page
      title={title}
      above={<SettingsNav />}
      actions={
        may && (
          <>
            <Button busy={run.isPending} onClick={() => run.mutate()}>
              Run now
            </Button>
            <Button busy={change.isPending} onClick={() => change.mutate({ paused: !paused })}>
              {paused ? 'Resume' : 'Pause'}
            </Button>
            <Button aria-expanded={editing} onClick={() => setEditing(!editing)}>
              Edit
            </Button>
            <Confirm
              title="Remove this schedule?"
              text="Its history goes with it; its tasks stay."
              verb="Remove"
              onConfirm={() => remove.mutate()}
            >
              <Button look="danger">Remove</Button>
            </Confirm>
          </>
        )
      }
    >
      <p>
        <Status status={state} /> · <code>{timetable}</code> <Plain text={time_zone} /> ·{' '}
        <Plain text={schedule.environment_label ?? 'a deleted environment'} /> · tasks of{' '}
        <Plain text={created_by.name} />
      </p>
      {paused && (
        <p>
          Paused {paused_at && <Ago at={paused_at} />}
          {paused_reason && (
            <>
              : <Plain text={paused_reason} />
            </>
          )}
        </p>
      )}
      <Refused error={run.error ?? remove.error ?? (editing ? null : change.error)} />
      {editing && (
        <ScheduleForm
          initial={draftOf(schedule)}
          verb="Save"
          busy={change.isPending}
          error={change.error}
          onSend={(draft) =>
            change.mutate(patchOf(draftOf(schedule), draft), { onSuccess: () => setEditing(false) })
          }
        >
          <Button look="quiet" onClick={() => setEditing(false)}>
            Leave it
          </Button>
        </ScheduleForm>
      )}
      <Section title="What is to be done">
        <p style={{ whiteSpace: 'pre-wrap' }}>
          <Plain text={schedule.prompt} lines />
        </p>
      </Section>
      <Section title={paused ? 'Next times, if it were resumed now' : 'Next times'} note={time_zone}>
        <ol aria-label="Next times">
          {next_times.map((at) => (
            <li key={at}>
              <time dateTime={at}>{timeIn(at, time_zone)}</time>
            </li>
          ))}
        </ol>
      </Section>
      <History id={id} zone={time_zone} />
    </Page>
  );
}

const EVERY_MS = 5_000;

function History({ id, zone }: { id: string; zone: string }) {
  const firings = useInfiniteQuery({
    queryKey: ['schedules', id, 'firings'],
    queryFn: ({ pageParam, signal }) =>
      call(
        listFirings({ path: { id }, query: { limit: 50, ...(pageParam && { cursor: pageParam }) }, signal }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: EVERY_MS,
  });
  const items = firings.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Section title="History" note="What became of its times, the newest first.">
      {firings.error && !firings.data && (
        <Failed error={firings.error} reset={() => void firings.refetch()} />
      )}
      {firings.data && items.length === 0 && <p>None of its times has come yet.</p>}
      {items.length > 0 && (
        <Scroll label="History">
          <table className={table.table}>
            <thead>
              <tr>
                <th>Time</th>
                <th>State</th>
                <th>Task</th>
                <th>Why</th>
              </tr>
            </thead>
            <tbody>
              {items.map((firing) => (
                <tr key={firing.id}>
                  <td>
                    <time dateTime={firing.planned_at}>{timeIn(firing.planned_at, zone)}</time>
                    {firing.by && (
                      <>
                        , by <Plain text={firing.by.name} />
                      </>
                    )}
                  </td>
                  <td>
                    <Status status={firing.state} />
                  </td>
                  <td>
                    {firing.task_id && (
                      <Link to="/tasks/$id" params={{ id: firing.task_id }}>
                        Open
                      </Link>
                    )}
                  </td>
                  <td className={table.wide}>
                    <Why firing={firing} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {firings.hasNextPage && (
        <div>
          <Button busy={firings.isFetchingNextPage} onClick={() => void firings.fetchNextPage()}>
            Earlier
          </Button>
        </div>
      )}
    </Section>
  );
}

function Why({ firing: { failure, message, missed_before } }: { firing: Firing }) {
  return (
    <>
      {failure && <Plain text={`${failure.message} ${failure.hint ?? ''}`} />}
      {message && <Plain text={message} />}
      {missed_before > 0 && ` ${missed_before} before it were missed`}
    </>
  );
}
