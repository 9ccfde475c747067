import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
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
import { Failed } from '@/parts/Failed';
import { Once } from '@/parts/Once';
import { Page, Section } from '@/parts/Page';
import { Plain } from '@/parts/Plain';
import { Refused } from '@/parts/Refused';
import { Scroll } from '@/parts/Scroll';
import { Status } from '@/parts/Status';
import table from '@/parts/Table.module.css';
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

const EVERY_MS = 3_000;

function Deliveries({ id }: { id: string }) {
  const queries = useQueryClient();
  const deliveries = useInfiniteQuery({
    queryKey: ['webhooks', id, 'deliveries'],
    queryFn: ({ pageParam, signal }) =>
      call(
        listWebhookDeliveries({
          path: { id },
          query: { limit: 50, ...(pageParam && { cursor: pageParam }) },
          signal,
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: EVERY_MS,
  });
  const replay = useMutation({
    mutationFn: (job: string) => call<unknown>(replayWebhookDelivery({ path: { id, job } })),
    onSettled: () => queries.invalidateQueries({ queryKey: ['webhooks', id, 'deliveries'] }),
  });
  const items = deliveries.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Section title="Deliveries" note="Kept for 30 days. Of one task they are told in order.">
      {deliveries.error && !deliveries.data && (
        <Failed error={deliveries.error} reset={() => void deliveries.refetch()} />
      )}
      <Refused error={replay.error} />
      {deliveries.data && items.length === 0 && <p>Nothing was told yet.</p>}
      {items.length > 0 && (
        <Scroll label="Deliveries">
          <table className={table.table}>
            <thead>
              <tr>
                <th>When</th>
                <th>What</th>
                <th>State</th>
                <th>Answer</th>
                <th>Again</th>
              </tr>
            </thead>
            <tbody>
              {items.map((one) => (
                <tr key={one.id}>
                  <td>
                    <Ago at={one.created_at} />
                  </td>
                  <td title={one.event_id}>
                    <Plain text={one.type} />
                  </td>
                  <td>
                    <Status status={one.state} />
                  </td>
                  <td className={table.wide}>
                    <Outcome delivery={one} />
                  </td>
                  <td>
                    {one.ended_at && (
                      <Button
                        look="quiet"
                        aria-label={`Tell it again: ${one.type}`}
                        busy={replay.isPending && replay.variables === one.id}
                        onClick={() => replay.mutate(one.id)}
                      >
                        Again
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {deliveries.hasNextPage && (
        <div>
          <Button busy={deliveries.isFetchingNextPage} onClick={() => void deliveries.fetchNextPage()}>
            Earlier
          </Button>
        </div>
      )}
    </Section>
  );
}

function Outcome({ delivery: { answer, tries, due_at } }: { delivery: WebhookDelivery }) {
  return (
    <>
      {answer?.status} {answer?.body && <Plain text={answer.body.slice(0, 200)} />}
      {answer?.error && <Plain text={answer.error} />}
      {tries > 1 && ` · ${tries} tries`}
      {due_at && (
        <>
          {' · next try '}
          <Ago at={due_at} />
        </>
      )}
    </>
  );
}
