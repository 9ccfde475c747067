import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { call } from '@/api/call';
import { type Environment, updateEnvironment } from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Dialog } from '@/parts/Dialog';
import { TextField } from '@/parts/Field';
import { Plain } from '@/parts/Plain';
import css from './Environment.module.css';
import { environmentQuery } from './queries';

/** The secrets of the scripts: they go in and never come out. Each is set at once, apart from what else is edited. */
export function Secrets({ environment }: { environment: Environment }) {
  const [setting, setSetting] = useState<string>();
  const [removing, setRemoving] = useState<string>();
  const { secrets = [] } = environment;
  return (
    <>
      {secrets.length === 0 && <p className={css.quiet}>None.</p>}
      {secrets.length > 0 && (
        <ul className={css.rows}>
          {secrets.map(({ name, updated_at }) => (
            <li key={name} className={css.row}>
              <code>
                <Plain text={name} />
              </code>
              <span className={css.quiet}>
                set <Ago at={updated_at} />
              </span>
              <span className={css.does}>
                <Button look="quiet" aria-label={`Set anew: ${name}`} onClick={() => setSetting(name)}>
                  Set anew
                </Button>
                <Button look="quiet" aria-label={`Remove ${name}`} onClick={() => setRemoving(name)}>
                  Remove
                </Button>
              </span>
            </li>
          ))}
        </ul>
      )}
      <Button className={css.start} onClick={() => setSetting('')}>
        Add a secret
      </Button>
      {setting !== undefined && (
        <SetSecret environment={environment} name={setting} onClose={() => setSetting(undefined)} />
      )}
      {removing !== undefined && (
        <RemoveSecret environment={environment} name={removing} onClose={() => setRemoving(undefined)} />
      )}
    </>
  );
}

/** Sends a change of this environment and shows what came of it. */
export function useChange(environment: Environment, onDone: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Parameters<typeof updateEnvironment>[0]['body']) =>
      call(updateEnvironment({ path: { id: environment.id }, body })),
    onSuccess: (now) => {
      queries.setQueryData(environmentQuery(environment.id).queryKey, now);
      onDone();
    },
  });
}

function SetSecret({
  environment,
  name: given,
  onClose,
}: {
  environment: Environment;
  name: string;
  onClose: () => void;
}) {
  const [name, setName] = useState(given);
  const [value, setValue] = useState('');
  const id = useId();
  const set = useChange(environment, onClose);
  return (
    <Dialog title={given ? `Set ${given} anew` : 'Add a secret'} onClose={onClose}>
      <form
        className={css.form}
        onSubmit={(event) => {
          event.preventDefault();
          set.mutate({ secrets: { [name.trim()]: value } });
        }}
      >
        {!given && (
          <TextField
            label="Name"
            mono
            required
            spellCheck={false}
            autoComplete="off"
            placeholder="NPM_TOKEN"
            pattern="[A-Za-z_][A-Za-z0-9_]*"
            help="The variable that the scripts find it in."
            value={name}
            onText={setName}
          />
        )}
        <label htmlFor={id} className={css.name}>
          Value
        </label>
        <textarea
          id={id}
          className={css.secret}
          rows={3}
          required
          spellCheck={false}
          autoComplete="off"
          value={value}
          onChange={(event) => setValue(event.target.value)}
        />
        <p className={css.quiet}>
          It is encrypted and never shown again. The next task builds its snapshot anew.
          {value.length > 0 && value.length < 6 && ' So short a value cannot be masked in the log.'}
        </p>
        {set.error && (
          <p role="alert" className={css.error}>
            {set.error.message}
          </p>
        )}
        <div className={css.does}>
          <Button type="submit" look="main" busy={set.isPending}>
            Set
          </Button>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function RemoveSecret({
  environment,
  name,
  onClose,
}: {
  environment: Environment;
  name: string;
  onClose: () => void;
}) {
  const remove = useChange(environment, onClose);
  return (
    <Dialog title={`Remove ${name}?`} onClose={onClose}>
      <p>Its value cannot be had back. Scripts that use it fail from the next task on.</p>
      {remove.error && (
        <p role="alert" className={css.error}>
          {remove.error.message}
        </p>
      )}
      <div className={css.does}>
        <Button
          look="danger"
          busy={remove.isPending}
          onClick={() => remove.mutate({ secrets: { [name]: null } })}
        >
          Remove
        </Button>
        <Button look="quiet" onClick={onClose}>
          Keep it
        </Button>
      </div>
    </Dialog>
  );
}
