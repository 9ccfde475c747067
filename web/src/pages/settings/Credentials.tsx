import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '@/api/call';
import { deleteCredential, type ForgeKind, listCredentials, setCredential } from '@/api/generated';
import { ApiError } from '@/api/problem';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Confirm } from '@/parts/Confirm';
import { Failed } from '@/parts/Failed';
import { SelectField, TextField } from '@/parts/Field';
import { Section } from '@/parts/Page';
import { Scroll } from '@/parts/Scroll';
import table from '@/parts/Table.module.css';

const KINDS: Record<string, string> = {
  token: 'reads, token',
  ssh_key: 'reads, ssh key',
  push_token: 'publishes, token',
  push_ssh_key: 'publishes, ssh key',
};

/** Access to private repositories: for reading, and apart from it for publishing. Values go in and never come out. */
export function Credentials() {
  const client = useQueryClient();
  const credentials = useQuery({
    queryKey: ['credentials'],
    queryFn: ({ signal }) => call(listCredentials({ signal })),
  });
  const changed = () => client.invalidateQueries({ queryKey: ['credentials'] });
  const remove = useMutation({
    mutationFn: (id: string) => call(deleteCredential({ path: { id } })),
    onSettled: changed,
  });
  const items = credentials.data?.items ?? [];
  return (
    <Section
      title="Repository credentials"
      waits={credentials.isPending}
      note="Kept sealed by the server and never handed into a sandbox. One for publishing is never given to a worker."
    >
      {credentials.error && !credentials.data && <Failed error={credentials.error} />}
      {credentials.data && items.length === 0 && <p>None. Public repositories need none.</p>}
      {items.length > 0 && (
        <Scroll label="Credentials">
          <table className={table.table}>
            <thead>
              <tr>
                <th>Repositories</th>
                <th>What</th>
                <th>Set</th>
                <th>
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((item) => (
                <tr key={item.id}>
                  <td className={table.wide}>
                    <code>{item.scope}</code>
                  </td>
                  <td>{KINDS[item.kind] ?? item.kind}</td>
                  <td>
                    <Ago at={item.updated_at} />
                  </td>
                  <td>
                    <Confirm
                      title={`Remove the credential for ${item.scope}?`}
                      text="Tasks on those repositories cannot read them, or not publish to them, until another is set."
                      verb="Remove"
                      onConfirm={() => remove.mutate(item.id)}
                    >
                      <Button look="quiet" busy={remove.isPending}>
                        Remove
                      </Button>
                    </Confirm>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {remove.error && <Failed error={remove.error} />}
      <NewCredential onChanged={changed} />
    </Section>
  );
}

function NewCredential({ onChanged }: { onChanged: () => void }) {
  const [scope, setScope] = useState('');
  const [kind, setKind] = useState<'token' | 'ssh_key'>('token');
  const [value, setValue] = useState('');
  const [push, setPush] = useState(false);
  const [forge, setForge] = useState('');
  const save = useMutation({
    mutationFn: () =>
      call(
        setCredential({
          body: {
            scope,
            secret: kind === 'token' ? { kind, token: value } : { kind, private_key: value },
            ...(push && { push: forge ? { forge: forge as ForgeKind } : {} }),
          },
        }),
      ),
    onSuccess: () => {
      setScope('');
      setValue('');
    },
    onSettled: onChanged,
  });
  const wrong = (field: string) =>
    save.error instanceof ApiError ? save.error.fields.get(field) : undefined;
  return (
    <form
      className={table.row}
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <TextField
        label="Host, and path if you like"
        placeholder="github.com/team"
        required
        value={scope}
        onText={setScope}
        wrong={wrong('/scope')}
      />
      <SelectField
        label="Kind"
        value={kind}
        options={[
          ['token', 'Token'],
          ['ssh_key', 'ssh key'],
        ]}
        onPick={setKind}
      />
      {kind === 'token' ? (
        <TextField
          label="Token"
          type="password"
          autoComplete="off"
          required
          value={value}
          onText={setValue}
        />
      ) : (
        <div>
          <label htmlFor="private-key">Private key, as OpenSSH writes it</label>
          <textarea
            id="private-key"
            className={table.choose}
            rows={3}
            required
            spellCheck={false}
            value={value}
            onChange={(event) => setValue(event.target.value)}
          />
        </div>
      )}
      <SelectField
        label="For"
        value={push ? 'push' : 'read'}
        options={[
          ['read', 'Reading'],
          ['push', 'Publishing results'],
        ]}
        onPick={(what) => setPush(what === 'push')}
      />
      {push && (
        <SelectField
          label="Server"
          value={forge}
          options={[
            ['', 'Known by its host'],
            ['github', 'GitHub'],
            ['gitlab', 'GitLab'],
            ['gitea', 'Gitea or Forgejo'],
            ['none', 'None: a branch alone'],
          ]}
          onPick={setForge}
        />
      )}
      <Button type="submit" look="main" busy={save.isPending}>
        Save
      </Button>
      {save.error && <Failed error={save.error} />}
    </form>
  );
}
