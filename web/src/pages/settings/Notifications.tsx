import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '@/api/call';
import {
  getNotifications,
  type NotificationRule,
  setNotifications,
  type Notifications as Wanted,
} from '@/api/generated';
import { Button } from '@/parts/Button';
import { Failed } from '@/parts/Failed';
import { Check, SelectField, TextField } from '@/parts/Field';
import { Section } from '@/parts/Page';
import { Refused } from '@/parts/Refused';
import table from '@/parts/Table.module.css';
import { integrationsQuery } from '../integrations/queries';
import { EVENTS, nameOf, placeOf, placeText } from './notices';

const KEY = ['notifications'];

/** What the reader is told of their own tasks, and where. */
export function Notifications() {
  const wanted = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => call(getNotifications({ signal })),
    // An older server knows none.
    retry: false,
  });
  return (
    <Section
      title="What you are told"
      note="Of your own tasks. Each thing is told once, however often a server dies meanwhile."
      waits={wanted.isPending}
    >
      {wanted.error && <Failed error={wanted.error} reset={() => void wanted.refetch()} />}
      {wanted.data && <Form key={JSON.stringify(wanted.data)} initial={wanted.data} />}
    </Section>
  );
}

function Form({ initial }: { initial: Wanted }) {
  const queries = useQueryClient();
  const chats = (useQuery(integrationsQuery).data ?? []).filter(({ kind }) => kind === 'slack');
  const [rules, setRules] = useState<NotificationRule[]>(initial.rules);
  const [quiet, setQuiet] = useState(initial.quiet_hours ?? null);
  const save = useMutation({
    mutationFn: () =>
      call<unknown>(
        setNotifications({
          body: {
            rules: rules.filter(({ events }) => events.length > 0),
            ...(quiet && { quiet_hours: quiet }),
          },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: KEY }),
  });
  const set = (at: number, change: Partial<NotificationRule>) =>
    setRules((before) => before.map((rule, i) => (i === at ? { ...rule, ...change } : rule)));
  const places = [
    ...new Map(
      [
        ...chats.map(({ id, name }): [string, string] => [
          nameOf({ kind: 'slack', integration_id: id }),
          `A message by ${name}`,
        ]),
        // Those of other commands stay as they are.
        ...rules.map(({ to }): [string, string] => [nameOf(to), placeText(to)]),
        [nameOf({ kind: 'none' }), 'nowhere'] as [string, string],
      ].reverse(),
    ),
  ].reverse();
  return (
    <form
      style={{ display: 'grid', gap: 'var(--3)' }}
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      {rules.length === 0 && <p>Nothing. The page shows it anyway.</p>}
      {rules.map((rule, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rules have no other name
        <fieldset key={at} className={table.inset}>
          <legend className="visually-hidden">Rule {at + 1}</legend>
          <SelectField
            label={`Where (rule ${at + 1})`}
            value={nameOf(rule.to)}
            options={places}
            onPick={(value) => set(at, { to: placeOf(value) })}
          />
          {EVENTS.map(([name, text]) => (
            <Check
              key={name}
              label={text}
              checked={rule.events.includes(name)}
              onCheck={(is) =>
                set(at, {
                  events: is ? [...rule.events, name] : rule.events.filter((one) => one !== name),
                })
              }
            />
          ))}
          <div>
            <Button look="quiet" onClick={() => setRules(rules.filter((_, i) => i !== at))}>
              Remove rule {at + 1}
            </Button>
          </div>
        </fieldset>
      ))}
      <Check
        label="Quiet hours"
        help="What happens then is told at their end."
        checked={quiet !== null}
        onCheck={(is) =>
          setQuiet(
            is
              ? {
                  from: '22:00',
                  to: '07:00',
                  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC',
                }
              : null,
          )
        }
      />
      {quiet && (
        <div className={table.row}>
          <TextField
            label="From"
            type="time"
            value={quiet.from}
            onText={(from) => setQuiet({ ...quiet, from })}
          />
          <TextField label="To" type="time" value={quiet.to} onText={(to) => setQuiet({ ...quiet, to })} />
          <TextField
            label="Time zone"
            value={quiet.time_zone}
            onText={(time_zone) => setQuiet({ ...quiet, time_zone })}
          />
        </div>
      )}
      <Refused error={save.error} />
      <div className={table.row}>
        <Button
          disabled={rules.length >= 20}
          onClick={() =>
            setRules([
              ...rules,
              { events: ['needs_input', 'finished', 'failed'], to: placeOf(places[0]?.[0] ?? '') },
            ])
          }
        >
          One more rule
        </Button>
        <Button type="submit" look="main" busy={save.isPending}>
          Set what you are told
        </Button>
      </div>
    </form>
  );
}
