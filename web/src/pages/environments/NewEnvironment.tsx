import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { call } from '@/api/call';
import { type Agent, createEnvironment } from '@/api/generated';
import { ApiError } from '@/api/problem';
import { Button, buttonClass } from '@/parts/Button';
import { SelectField, TextField } from '@/parts/Field';
import css from './Environment.module.css';
import { environmentsQuery } from './queries';
import { Script } from './Script';

/** The least that an environment needs; the rest is on its page. */
export function NewEnvironment() {
  const [label, setLabel] = useState('');
  const [url, setUrl] = useState('');
  const [branch, setBranch] = useState('');
  const [agent, setAgent] = useState<Agent['name']>('codex');
  const [command, setCommand] = useState('');
  const [setup, setSetup] = useState('');
  const [verify, setVerify] = useState('');
  const navigate = useNavigate();
  const queries = useQueryClient();
  const create = useMutation({
    mutationFn: () =>
      call(
        createEnvironment({
          body: {
            label: label.trim() || nameOf(url),
            repository_url: url.trim(),
            agent: agent === 'command' ? { name: 'command', command } : { name: agent },
            ...(branch.trim() && { branch: branch.trim() }),
            ...(setup.trim() && { setup_script: setup }),
            ...(verify.trim() && { verify_command: verify }),
          },
        }),
      ),
    onSuccess: async ({ id }) => {
      await queries.invalidateQueries({ queryKey: environmentsQuery.queryKey });
      await navigate({ to: '/environments/$id', params: { id } });
    },
  });
  const fields = create.error instanceof ApiError ? create.error.fields : undefined;
  return (
    <form
      className={css.new}
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate();
      }}
    >
      <h1>New environment</h1>
      <p className={css.quiet}>
        In a clone, <code>outwork env init</code> guesses the scripts and tries them.
      </p>
      <TextField
        label="Repository"
        mono
        required
        spellCheck={false}
        placeholder="https://git.example.com/team/web"
        help="Any address that git clones. A private one needs a credential in the settings first."
        wrong={fields?.get('/repository_url')}
        value={url}
        onText={setUrl}
      />
      <TextField
        label="Label"
        placeholder={nameOf(url) || 'web'}
        wrong={fields?.get('/label')}
        value={label}
        onText={setLabel}
      />
      <TextField
        label="Branch"
        mono
        placeholder="the repository's default branch"
        wrong={fields?.get('/branch')}
        value={branch}
        onText={setBranch}
      />
      <SelectField
        label="Agent"
        value={agent}
        options={[
          ['codex', 'codex'],
          ['command', 'a command'],
        ]}
        onPick={setAgent}
      />
      {agent === 'command' && (
        <Script
          label="Command"
          rows={2}
          help={fields?.get('/agent/command') ?? 'Run by bash; the prompt is its standard input.'}
          value={command}
          onText={setCommand}
        />
      )}
      <Script
        label="Setup"
        rows={5}
        value={setup}
        help="What has to be installed. It runs once, with the network; what comes of it is kept."
        onText={setSetup}
      />
      <Script
        label="Verification"
        rows={2}
        value={verify}
        help="The command that tells whether the work is right, such as npm test."
        onText={setVerify}
      />
      {create.error && (
        <p role="alert" className={css.error}>
          {create.error.message} {create.error instanceof ApiError && create.error.hint}
        </p>
      )}
      <div className={css.does}>
        <Button type="submit" look="main" busy={create.isPending}>
          Make it
        </Button>
        <Link to="/environments" className={buttonClass('quiet')}>
          Cancel
        </Link>
      </div>
    </form>
  );
}

/** The last part of an address, as a label. */
function nameOf(url: string): string {
  const last = url.trim().replace(/\/+$/, '').split(/[/:]/).at(-1) ?? '';
  return last.replace(/\.git$/, '');
}
