import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { call } from '@/api/call';
import { addSchedule } from '@/api/generated';
import { Empty } from '@/parts/Empty';
import { Failed } from '@/parts/Failed';
import { Page, Section, Waits } from '@/parts/Page';
import { Plain } from '@/parts/Plain';
import { Scroll } from '@/parts/Scroll';
import { Status } from '@/parts/Status';
import table from '@/parts/Table.module.css';
import { SettingsNav } from '../settings/SettingsNav';
import { useMay } from '../task/actions';
import { EMPTY, requestOf } from './draft';
import { schedulesQuery, timeIn } from './queries';
import { ScheduleForm } from './ScheduleForm';

/** Tasks that are given again and again, by timetables. */
export function Schedules() {
  const schedules = useQuery(schedulesQuery);
  const may = useMay();
  const items = schedules.data ?? [];
  return (
    <Page title="Schedules" above={<SettingsNav />}>
      {schedules.isPending && <Waits />}
      {schedules.error && !schedules.data && (
        <Failed error={schedules.error} reset={() => void schedules.refetch()} />
      )}
      {schedules.data && items.length === 0 && (
        <Empty title="No schedule yet.">
          <p>
            A schedule gives the same task again and again, by a timetable. Its tasks are those of who made
            it.
          </p>
        </Empty>
      )}
      {items.length > 0 && (
        <Scroll label="Schedules">
          <table className={table.table}>
            <thead>
              <tr>
                <th>Task</th>
                <th>Timetable</th>
                <th>State</th>
                <th>Next</th>
                <th>Environment</th>
                <th>Whose</th>
              </tr>
            </thead>
            <tbody>
              {items.map((one) => (
                <tr key={one.id}>
                  <td className={table.wide}>
                    <Link to="/schedules/$id" params={{ id: one.id }}>
                      <Plain text={one.title} />
                    </Link>
                  </td>
                  <td>
                    <code>{one.timetable}</code> <Plain text={one.time_zone} />
                  </td>
                  <td>
                    <Status status={one.state} />
                  </td>
                  <td>
                    {one.state === 'active' && one.next_times[0] && timeIn(one.next_times[0], one.time_zone)}
                  </td>
                  <td>
                    <Plain text={one.environment_label ?? 'deleted'} />
                  </td>
                  <td>
                    <Plain text={one.created_by.name} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {may && <Add />}
    </Page>
  );
}

function Add() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const add = useMutation({
    mutationFn: (draft: typeof EMPTY) => call(addSchedule({ body: requestOf(draft) })),
    onSuccess: async ({ id }) => {
      await queries.invalidateQueries({ queryKey: schedulesQuery.queryKey });
      await navigate({ to: '/schedules/$id', params: { id } });
    },
  });
  return (
    <Section title="New schedule" note="Its tasks are yours.">
      <ScheduleForm
        initial={EMPTY}
        verb="Make the schedule"
        busy={add.isPending}
        error={add.error}
        onSend={(draft) => add.mutate(draft)}
      />
    </Section>
  );
}
