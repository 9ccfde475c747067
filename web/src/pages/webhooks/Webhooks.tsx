import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { call } from '@/api/call';
import { addWebhook } from '@/api/generated';
import { ApiError } from '@/api/problem';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Empty } from '@/parts/Empty';
import { Failed } from '@/parts/Failed';
import { TextField } from '@/parts/Field';
import { Once } from '@/parts/Once';
import { Page, Section, Waits } from '@/parts/Page';
import { Plain } from '@/parts/Plain';
import { Refused } from '@/parts/Refused';
import { Scroll } from '@/parts/Scroll';
import { Status } from '@/parts/Status';
import table from '@/parts/Table.module.css';
import { SettingsNav } from '../settings/SettingsNav';
import { eventsOf, webhooksQuery } from './queries';

/** Programs of others that are told what happens to tasks. */
export function Webhooks() {
  const webhooks = useQuery(webhooksQuery);
  const items = webhooks.data ?? [];
  return (
    <Page title="Webhooks" above={<SettingsNav />}>
      {webhooks.isPending && <Waits />}
      {webhooks.error && !webhooks.data && (
        <Failed error={webhooks.error} reset={() => void webhooks.refetch()} />
      )}
      {webhooks.data && items.length === 0 && (
        <Empty title="No webhook yet.">
          <p>A webhook tells a program of yours what happens to tasks, signed and in order.</p>
        </Empty>
      )}
      {items.length > 0 && (
        <Scroll label="Webhooks">
          <table className={table.table}>
            <thead>
              <tr>
                <th>Address</th>
                <th>State</th>
                <th>Told</th>
                <th>Whose</th>
                <th>Edited</th>
              </tr>
            </thead>
            <tbody>
              {items.map(({ id, url, state, events, created_by, updated_at }) => (
                <tr key={id}>
                  <td className={table.wide}>
                    <Link to="/webhooks/$id" params={{ id }}>
                      <Plain text={url} />
                    </Link>
                  </td>
                  <td>
                    <Status status={state} />
                  </td>
                  <td className={table.wide}>{events?.join(', ') ?? 'everything'}</td>
                  <td>
                    <Plain text={created_by.name} />
                  </td>
                  <td>
                    <Ago at={updated_at} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {webhooks.data && <Add />}
    </Page>
  );
}

function Add() {
  const queries = useQueryClient();
  const [url, setUrl] = useState('');
  const [events, setEvents] = useState('');
  const add = useMutation({
    mutationFn: () => {
      const wanted = eventsOf(events);
      return call(addWebhook({ body: { url: url.trim(), ...(wanted.length > 0 && { events: wanted }) } }));
    },
    onSuccess: () => {
      setUrl('');
      setEvents('');
    },
    onSettled: () => queries.invalidateQueries({ queryKey: webhooksQuery.queryKey }),
  });
  const fields = add.error instanceof ApiError ? add.error.fields : undefined;
  return (
    <Section
      title="New webhook"
      note="What is told is signed as Standard Webhooks are; the secret is shown once."
    >
      <form
        className={table.inset}
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <TextField
          label="Address"
          type="url"
          required
          placeholder="https://…"
          wrong={fields?.get('/url')}
          value={url}
          onText={setUrl}
        />
        <TextField
          label="What it is told"
          placeholder="everything"
          help="Such as task.finished, task.needs_input; left empty, everything."
          wrong={fields?.get('/events')}
          value={events}
          onText={setEvents}
        />
        <Refused error={add.error} />
        <div>
          <Button type="submit" look="main" busy={add.isPending}>
            Make the webhook
          </Button>
        </div>
      </form>
      {add.data && (
        <Once
          label="The secret that signs, shown this once. The receiver checks with it."
          text={add.data.secret}
        />
      )}
    </Section>
  );
}
