import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { call } from '@/api/call';
import { deleteModel, getModel, setModel } from '@/api/generated';
import { ApiError } from '@/api/problem';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Confirm } from '@/parts/Confirm';
import { Failed } from '@/parts/Failed';
import { TextField } from '@/parts/Field';
import { Section } from '@/parts/Page';
import table from '@/parts/Table.module.css';

/** The model that agents use. The key goes in and never comes out. */
export function Model() {
  const client = useQueryClient();
  const model = useQuery({
    queryKey: ['model'],
    queryFn: async ({ signal }) => {
      try {
        return await call(getModel({ signal }));
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
  });
  const [key, setKey] = useState('');
  const changed = () => client.invalidateQueries({ queryKey: ['model'] });
  const save = useMutation({
    mutationFn: (form: FormData) =>
      call(
        setModel({
          body: {
            base_url: String(form.get('base_url')),
            name: String(form.get('name')),
            ...(key && { api_key: key }),
            ...(form.get('context_window') && { context_window: Number(form.get('context_window')) }),
          },
        }),
      ),
    onSuccess: () => setKey(''),
    onSettled: changed,
  });
  const remove = useMutation({ mutationFn: () => call(deleteModel()), onSettled: changed });
  const wrong = (field: string) =>
    save.error instanceof ApiError ? save.error.fields.get(`/${field}`) : undefined;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    save.mutate(new FormData(event.currentTarget));
  };
  if (model.data === undefined) {
    return (
      <Section title="Model" waits={model.isPending}>
        {model.error && <Failed error={model.error} reset={() => model.refetch()} />}
      </Section>
    );
  }
  const set = model.data;
  return (
    <Section
      title="Model"
      note="Agents reach it through a gateway on the worker, which adds the key and counts tokens. The key never enters a sandbox."
    >
      {set === null && <p>No model is set for this workspace; the server's own is used, if it has one.</p>}
      <form key={set?.updated_at ?? 'none'} onSubmit={submit} className={table.row}>
        <TextField
          label="Address"
          name="base_url"
          type="url"
          required
          placeholder="https://host/v1"
          defaultValue={set?.base_url}
          wrong={wrong('base_url')}
        />
        <TextField label="Name" name="name" required defaultValue={set?.name} wrong={wrong('name')} />
        <TextField
          label="Key"
          type="password"
          autoComplete="off"
          placeholder={set?.has_api_key ? 'set; leave empty to keep it' : ''}
          value={key}
          onText={setKey}
          wrong={wrong('api_key')}
        />
        <TextField
          label="Context window, tokens"
          name="context_window"
          type="number"
          min={1}
          defaultValue={set?.context_window}
          wrong={wrong('context_window')}
        />
        <Button type="submit" look="main" busy={save.isPending}>
          Save
        </Button>
        {set && (
          <Confirm
            title="Remove the model?"
            text="Agents that need one then use the server's own, or fail if it has none."
            verb="Remove"
            onConfirm={() => remove.mutate()}
          >
            <Button busy={remove.isPending}>Remove</Button>
          </Confirm>
        )}
      </form>
      {(save.error ?? remove.error) && <Failed error={save.error ?? remove.error} />}
      {set && (
        <p className={table.muted}>
          Set <Ago at={set.updated_at} />.
        </p>
      )}
    </Section>
  );
}
