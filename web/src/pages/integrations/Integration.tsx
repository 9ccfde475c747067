import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { call } from '@/api/call';
import {
  changeIntegration,
  type Integration,
  type IntegrationChange,
  removeIntegration,
} from '@/api/generated';
import { environmentsQuery } from '@/api/tasks';
import { meQuery } from '@/app/session';
import { Button } from '@/parts/Button';
import { Confirm } from '@/parts/Confirm';
import { Copy } from '@/parts/Copy';
import { Failed } from '@/parts/Failed';
import { Check, SelectField, TextField } from '@/parts/Field';
import { Page, Section } from '@/parts/Page';
import { Refused } from '@/parts/Refused';
import { Status } from '@/parts/Status';
import { SettingsNav } from '../settings/SettingsNav';
import { Deliveries } from './Deliveries';
import { SecretFields, settingsOf } from './Integrations';
import { Links } from './Links';
import { integrationQuery, integrationsQuery, type Kind, kindText } from './queries';

/** One integration: how the other system reaches it, what its tasks may be, and what came in and went out. */
export function IntegrationPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const integration = useQuery(integrationQuery(id));
  if (integration.error && !integration.data)
    return <Failed whole error={integration.error} reset={() => void integration.refetch()} />;
  if (!integration.data) return <p className="notice">Reading the integration…</p>;
  return <One key={id} integration={integration.data} />;
}

function One({ integration }: { integration: Integration }) {
  const { id, name, kind, is_active, hook_url } = integration;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const isAdmin = useQuery(meQuery).data?.role === 'admin';
  const change = useMutation({
    mutationFn: (body: IntegrationChange) => call(changeIntegration({ path: { id }, body })),
    onSettled: () => queries.invalidateQueries({ queryKey: integrationsQuery.queryKey }),
  });
  const remove = useMutation({
    mutationFn: () => call<unknown>(removeIntegration({ path: { id } })),
    onSuccess: async () => {
      await navigate({ to: '/integrations' });
      await queries.invalidateQueries({ queryKey: integrationsQuery.queryKey });
    },
  });
  return (
    <Page
      title={name}
      above={<SettingsNav />}
      actions={
        isAdmin && (
          <>
            <Button busy={change.isPending} onClick={() => change.mutate({ is_active: !is_active })}>
              {is_active ? 'Pause' : 'Go on'}
            </Button>
            <Confirm
              title={`Remove ${name}?`}
              text="What comes in is no longer taken, and nothing is told there any more. Its tasks stay."
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
        {kindText(kind)} · <Status status={is_active ? 'active' : 'paused'} />
      </p>
      <Refused error={change.error ?? remove.error} />
      <Section title="Address" note="Where the other system sends what happens there.">
        <Copy label="Address for its webhook" text={hook_url} />
      </Section>
      {isAdmin && <Settings key={integration.updated_at} integration={integration} change={change} />}
      {isAdmin && <Deliveries id={id} />}
      {isAdmin && <Links id={id} />}
    </Page>
  );
}

function Settings({
  integration,
  change,
}: {
  integration: Integration;
  change: { mutate: (body: IntegrationChange) => void; isPending: boolean };
}) {
  const all = useQuery(environmentsQuery).data ?? [];
  const [name, setName] = useState(integration.name);
  const [allowed, setAllowed] = useState(integration.environments);
  const [fallback, setFallback] = useState(integration.default_environment ?? '');
  const [token, setToken] = useState('');
  const [secret, setSecret] = useState('');
  const labels = [...new Set([...all.map(({ label }) => label), ...integration.environments])];
  const { settings } = integration;
  return (
    <Section title="What its tasks may be" note="Nothing that is written there chooses anything else.">
      <form
        style={{ display: 'grid', gap: 'var(--3)' }}
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({
            name,
            environments: allowed,
            default_environment: fallback,
            // All settings are sent anew; those that this page has no field for stay as they are.
            ...((token || secret) && {
              settings: {
                ...(typeof settings === 'object' ? settings : {}),
                ...settingsOf(integration.kind as Kind, token, secret),
              },
            }),
          });
        }}
      >
        <TextField label="Name" required maxLength={100} value={name} onText={setName} />
        <fieldset>
          <legend>Environments (none chosen: all)</legend>
          {labels.map((label) => (
            <Check
              key={label}
              label={label}
              checked={allowed.includes(label)}
              onCheck={(is) =>
                setAllowed((before) => (is ? [...before, label] : before.filter((one) => one !== label)))
              }
            />
          ))}
        </fieldset>
        <SelectField
          label="Where nothing else says which"
          value={fallback}
          options={[['', 'nothing: it asks'], ...labels.map((label): [string, string] => [label, label])]}
          onPick={setFallback}
        />
        <SecretFields
          kept={integration.secrets.length > 0}
          kind={integration.kind}
          token={token}
          secret={secret}
          onToken={setToken}
          onSecret={setSecret}
        />
        <div>
          <Button type="submit" look="main" busy={change.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Section>
  );
}
