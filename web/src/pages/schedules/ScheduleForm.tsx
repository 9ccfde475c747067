import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { ApiError } from '@/api/problem';
import { environmentsQuery } from '@/api/tasks';
import { Button } from '@/parts/Button';
import { Check, Field, SelectField, TextField } from '@/parts/Field';
import field from '@/parts/Field.module.css';
import { Refused } from '@/parts/Refused';
import table from '@/parts/Table.module.css';
import type { Draft } from './draft';

/** What a schedule is: when, where, what, and what becomes of times that do not fit. */
export function ScheduleForm({
  initial,
  verb,
  busy,
  error,
  onSend,
  children,
}: {
  initial: Draft;
  verb: string;
  busy: boolean;
  error: Error | null;
  onSend: (draft: Draft) => void;
  children?: ReactNode;
}) {
  const environments = useQuery(environmentsQuery).data ?? [];
  const [draft, setDraft] = useState(initial);
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }));
  const fields = error instanceof ApiError ? error.fields : undefined;
  const labels = [...new Set([...environments.map(({ label }) => label), draft.environment])].filter(Boolean);
  const ready = draft.timetable.trim() !== '' && draft.environment !== '' && draft.prompt.trim() !== '';
  return (
    <form
      className={table.inset}
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) onSend(draft);
      }}
    >
      <TextField
        label="Timetable"
        mono
        placeholder="0 7 * * 1-5"
        help="Minute, hour, day of the month, month and day of the week, as in a crontab; or @daily, @weekly."
        wrong={fields?.get('/timetable')}
        value={draft.timetable}
        onText={(timetable) => set({ timetable })}
      />
      <TextField
        label="Time zone"
        placeholder="Europe/Vienna"
        wrong={fields?.get('/time_zone')}
        value={draft.time_zone}
        onText={(time_zone) => set({ time_zone })}
      />
      <SelectField
        label="Environment"
        wrong={fields?.get('/environment')}
        value={draft.environment}
        options={[['', 'choose'], ...labels.map((label): [string, string] => [label, label])]}
        onPick={(environment) => set({ environment })}
      />
      <Field label="What is to be done" wrong={fields?.get('/prompt')}>
        {(props) => (
          <textarea
            {...props}
            className={field.area}
            rows={4}
            value={draft.prompt}
            onChange={(event) => set({ prompt: event.target.value })}
          />
        )}
      </Field>
      <TextField
        label="Branch"
        placeholder="the environment's"
        wrong={fields?.get('/branch')}
        value={draft.branch}
        onText={(branch) => set({ branch })}
      />
      <SelectField
        label="When the task before still runs"
        value={draft.overlap}
        options={[
          ['skip', 'skip this time'],
          ['queue', 'wait for it'],
          ['allow', 'run beside it'],
        ]}
        onPick={(overlap) => set({ overlap })}
      />
      <SelectField
        label="When no server ran at the time"
        value={draft.missed}
        options={[
          ['skip', 'skip it'],
          ['once', 'make up for it once'],
        ]}
        onPick={(missed) => set({ missed })}
      />
      <Check
        label="Open a pull request when it ended well and changed something"
        checked={draft.pull_request}
        onCheck={(pull_request) => set({ pull_request })}
      />
      <Refused error={error} />
      <div className={table.row}>
        <Button type="submit" look="main" busy={busy} disabled={!ready}>
          {verb}
        </Button>
        {children}
      </div>
    </form>
  );
}
