import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { call } from '@/api/call';
import {
  changeWebhook,
  listWebhookDeliveries,
  removeWebhook,
  replayWebhookDelivery,
  rotateWebhook,
  testWebhook,
  type Webhook,
  type WebhookDelivery,
} from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Confirm } from '@/parts/Confirm';
import { type DeliveryRow, Deliveries as List, NextTry } from '@/parts/Deliveries';
import { Failed } from '@/parts/Failed';
import { Once } from '@/parts/Once';
import { Page } from '@/parts/Page';
import { Plain } from '@/parts/Plain';
import { Refused } from '@/parts/Refused';
import { Status } from '@/parts/Status';
import { SettingsNav } from '../settings/SettingsNav';
import { webhookQuery, webhooksQuery } from './queries';

/** One webhook: whether it hears, and what it was told. */
export function WebhookPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const webhook = useQuery(webhookQuery(id));
  if (webhook.error && !webhook.data)
    return <Failed whole error={webhook.error} reset={() => void webhook.refetch()} />;
  if (!webhook.data) return <p className="notice">Reading the webhook…</p>;
  return <One key={id} webhook={webhook.data} />;
}

function One({ webhook }: { webhook: Webhook }) {
  const { id, url, state, events, failing_since, old_secret_until } = webhook;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const again = () => queries.invalidateQueries({ queryKey: webhooksQuery.queryKey });
  const path = { id };
  const pause = useMutation({
    mutationFn: (paused: boolean) => call(changeWebhook({ path, body: { paused } })),
    onSettled: again,
  });
  const rotate = useMutation({ mutationFn: () => call(rotateWebhook({ path })), onSettled: again });
  const probe = useMutation({ mutationFn: () => call(testWebhook({ path })), onSettled: again });
  const remove = useMutation({
    mutationFn: () => call<unknown>(removeWebhook({ path })),
    onSuccess: async () => {
      await navigate({ to: '/webhooks' });
      await again();
    },
  });
  const active = state === 'active';
  return (
    <Page
      title={url}
      above={<SettingsNav />}
      actions={
        <>
          <Button busy={probe.isPending} disabled={!active} onClick={() => probe.mutate()}>
            Send a test
          </Button>
          <Button busy={pause.isPending} onClick={() => pause.mutate(active)}>
            {active ? 'Pause' : 'Go on'}
          </Button>
          <Confirm
            title="Make a new secret?"
            text="The one before signs beside it for a day, so that the receiver can be changed meanwhile."
            verb="Make a new secret"
            onConfirm={() => rotate.mutate()}
          >
            <Button>New secret</Button>
          </Confirm>
          <Confirm
            title="Remove this webhook?"
            text="It is told nothing more, and its deliveries are forgotten."
            verb="Remove"
            onConfirm={() => remove.mutate()}
          >
            <Button look="danger">Remove</Button>
          </Confirm>
        </>
      }
    >
      <p>
        <Status status={state} /> · told {events?.join(', ') ?? 'everything'}
        {failing_since && (
          <>
            {' · failing since '}
            <Ago at={failing_since} />
          </>
        )}
        {old_secret_until && (
          <>
            {' · the secret before signs until '}
            <Ago at={old_secret_until} />
          </>
        )}
      </p>
      <Refused error={pause.error ?? rotate.error ?? probe.error ?? remove.error} />
      {rotate.data && <Once label="The new secret, shown this once." text={rotate.data.secret} />}
      <Deliveries id={id} />
    </Page>
  );
}

function Deliveries({ id }: { id: string }) {
  return (
    <List
      queryKey={['webhooks', id, 'deliveries']}
      read={(cursor, signal) =>
        call(listWebhookDeliveries({ path: { id }, query: { limit: 50, ...(cursor && { cursor }) }, signal }))
      }
      row={row}
      again={(job) => call<unknown>(replayWebhookDelivery({ path: { id, job } }))}
      note="Kept for 30 days. Of one task they are told in order."
      empty="Nothing was told yet."
      outcome="Answer"
    />
  );
}

const row = (one: WebhookDelivery): DeliveryRow => ({
  id: one.id,
  at: one.created_at,
  what: one.type,
  key: one.event_id,
  state: one.state,
  ended: Boolean(one.ended_at),
  outcome: (
    <>
      {one.answer?.status} {one.answer?.body && <Plain text={one.answer.body.slice(0, 200)} />}
      {one.answer?.error && <Plain text={one.answer.error} />}
      {one.tries > 1 && ` · ${one.tries} tries`}
      <NextTry at={one.due_at} />
    </>
  ),
});
