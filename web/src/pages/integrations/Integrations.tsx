import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { call } from '@/api/call';
import { addIntegration, type IntegrationSettings } from '@/api/generated';
import { meQuery } from '@/app/session';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Empty } from '@/parts/Empty';
import { Failed } from '@/parts/Failed';
import { SelectField, TextField } from '@/parts/Field';
import { Page, Section, Waits } from '@/parts/Page';
import { Plain } from '@/parts/Plain';
import { Refused } from '@/parts/Refused';
import { Scroll } from '@/parts/Scroll';
import { Status } from '@/parts/Status';
import table from '@/parts/Table.module.css';
import { SettingsNav } from '../settings/SettingsNav';
import { integrationsQuery, KINDS, type Kind, kindText } from './queries';

/** Forges and chats that give tasks, and are told what came of them. */
export function Integrations() {
  const integrations = useQuery(integrationsQuery);
  const isAdmin = useQuery(meQuery).data?.role === 'admin';
  const items = integrations.data ?? [];
  return (
    <Page title="Integrations" above={<SettingsNav />}>
      {integrations.isPending && <Waits />}
      {integrations.error && !integrations.data && (
        <Failed error={integrations.error} reset={() => void integrations.refetch()} />
      )}
      {integrations.data && items.length === 0 && (
        <Empty title="No integration yet.">
          <p>
            An integration takes what people ask for in a forge or a chat, makes tasks of it, and says there
            what came of them.
          </p>
        </Empty>
      )}
      {items.length > 0 && (
        <Scroll label="Integrations">
          <table className={table.table}>
            <thead>
              <tr>
                <th>Name</th>
                <th>System</th>
                <th>State</th>
                <th>Environments</th>
                <th>Edited</th>
              </tr>
            </thead>
            <tbody>
              {items.map(({ id, name, kind, is_active, environments, updated_at }) => (
                <tr key={id}>
                  <td>
                    <Link to="/integrations/$id" params={{ id }}>
                      <Plain text={name} />
                    </Link>
                  </td>
                  <td>{kindText(kind)}</td>
                  <td>
                    <Status status={is_active ? 'active' : 'paused'} />
                  </td>
                  <td>{environments.length === 0 ? 'all' : <Plain text={environments.join(', ')} />}</td>
                  <td>
                    <Ago at={updated_at} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {isAdmin && <Add />}
    </Page>
  );
}

function Add() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [kind, setKind] = useState<Kind>('github');
  const [name, setName] = useState('');
  const [token, setToken] = useState('');
  const [secret, setSecret] = useState('');
  const add = useMutation({
    mutationFn: () => call(addIntegration({ body: { name, settings: settingsOf(kind, token, secret) } })),
    onSuccess: async ({ id }) => {
      await queries.invalidateQueries({ queryKey: integrationsQuery.queryKey });
      await navigate({ to: '/integrations/$id', params: { id } });
    },
  });
  return (
    <Section
      title="Connect"
      note="It gets a member of its name, with which it acts where nobody who is linked asked. Secrets go in and never come out."
    >
      <form
        className={table.inset}
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <SelectField
          label="System"
          value={kind}
          options={Object.entries(KINDS) as [Kind, string][]}
          onPick={setKind}
        />
        <TextField label="Name" required maxLength={100} value={name} onText={setName} />
        <SecretFields kind={kind} token={token} secret={secret} onToken={setToken} onSecret={setSecret} />
        <Refused error={add.error} />
        <div>
          <Button type="submit" look="main" busy={add.isPending}>
            Connect
          </Button>
        </div>
      </form>
    </Section>
  );
}

/** The two secrets that every kind has; what is left empty stays as it is. */
export function settingsOf(kind: Kind, token: string, secret: string): IntegrationSettings {
  if (kind === 'slack')
    return { kind, ...(token && { bot_token: token }), ...(secret && { signing_secret: secret }) };
  return { kind, ...(token && { token }), ...(secret && { webhook_secret: secret }) };
}

export function SecretFields({
  kind,
  token,
  secret,
  onToken,
  onSecret,
  kept = false,
}: {
  kind: string;
  token: string;
  secret: string;
  onToken: (text: string) => void;
  onSecret: (text: string) => void;
  /** There are some, which stay when these are left empty. */
  kept?: boolean;
}) {
  const slack = kind === 'slack';
  const input = {
    type: 'password',
    autoComplete: 'off',
    ...(kept && { placeholder: 'leave empty to keep it' }),
  } as const;
  return (
    <>
      <TextField
        {...input}
        label={slack ? "The bot's token" : 'Token'}
        help={
          slack ? 'xoxb-…, from the app\u2019s page at Slack' : 'With it comments are read and written there.'
        }
        value={token}
        onText={onToken}
      />
      <TextField
        {...input}
        label={slack ? 'Signing secret' : 'Secret of its webhook'}
        help="What comes in is taken only if it is signed with this."
        value={secret}
        onText={onSecret}
      />
    </>
  );
}
