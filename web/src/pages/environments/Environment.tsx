import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { call } from '@/api/call';
import { deleteEnvironment, type Environment as EnvironmentType, updateEnvironment } from '@/api/generated';
import { ApiError } from '@/api/problem';
import { Button } from '@/parts/Button';
import { Dialog } from '@/parts/Dialog';
import { Failed } from '@/parts/Failed';
import { Check, SelectField, TextField } from '@/parts/Field';
import { Plain } from '@/parts/Plain';
import { Cache } from './Cache';
import { changes, type Draft, problems as problemsOf, toDraft } from './draft';
import css from './Environment.module.css';
import { Network } from './Network';
import { NewEnvironment } from './NewEnvironment';
import { Pairs } from './Pairs';
import { environmentQuery, environmentsQuery } from './queries';
import { Script } from './Script';
import { Secrets } from './Secrets';

/** One environment: how tasks on its repository run. */
export function Environment() {
  const { id = '' } = useParams({ strict: false });
  return id === 'new' ? <NewEnvironment /> : <Known key={id} id={id} />;
}

function Known({ id }: { id: string }) {
  const environment = useQuery(environmentQuery(id));
  if (environment.data) return <Sheet environment={environment.data} />;
  if (environment.error)
    return <Failed whole error={environment.error} reset={() => void environment.refetch()} />;
  return <p className={css.waits}>Reading …</p>;
}

const SECTIONS: [string, string][] = [
  ['repository', 'Repository'],
  ['scripts', 'Scripts'],
  ['verification', 'Verification'],
  ['variables', 'Variables'],
  ['secrets', 'Secrets'],
  ['network', 'Network'],
  ['resources', 'Limits'],
  ['cache', 'Cache'],
  ['delete', 'Delete'],
];

function Sheet({ environment }: { environment: EnvironmentType }) {
  // What it is edited from: a newer one replaces it only while nothing was edited.
  const [base, setBase] = useState(environment);
  const [draft, setDraft] = useState<Draft>(() => toDraft(environment));
  const patch = useMemo(() => changes(base, draft), [base, draft]);
  const changed = Object.keys(patch).length;
  useEffect(() => {
    if (environment.revision === base.revision || changed > 0) return;
    setBase(environment);
    setDraft(toDraft(environment));
  }, [environment, base.revision, changed]);
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }));
  const problems = problemsOf(draft);

  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: () =>
      call(
        updateEnvironment({
          path: { id: base.id },
          body: patch,
          headers: { 'If-Match': `"${base.revision}"` },
        }),
      ),
    onSuccess: (now) => {
      setBase(now);
      setDraft(toDraft(now));
      queries.setQueryData(environmentQuery(base.id).queryKey, now);
      void queries.invalidateQueries({ queryKey: environmentsQuery.queryKey });
    },
  });
  const stale = save.error instanceof ApiError && save.error.status === 412;
  const fields = save.error instanceof ApiError ? save.error.fields : undefined;
  const problem = (name: keyof typeof problems, pointer = `/${name}`) =>
    problems[name] ?? fields?.get(pointer);
  const load = (theirs: boolean) => {
    void queries.fetchQuery({ ...environmentQuery(base.id), staleTime: 0 }).then((now) => {
      setBase(now);
      // One's own edits stay, on top of theirs.
      setDraft(theirs ? toDraft(now) : { ...toDraft(now), ...mine(base, draft) });
      save.reset();
    });
  };

  return (
    <div className={css.page}>
      <nav className={css.sections} aria-label="On this page">
        {SECTIONS.map(([id, text]) => (
          <a key={id} href={`#${id}`}>
            {text}
          </a>
        ))}
      </nav>
      {/* No form: the dialogs inside have their own. */}
      <div className={css.sheet}>
        <header className={css.title}>
          <h1>
            <Plain text={base.label} />
          </h1>
          <code>{base.id}</code>
        </header>

        <Section id="repository" title="Repository">
          <TextField
            label="Label"
            value={draft.label}
            wrong={problem('label')}
            onText={(label) => set({ label })}
          />
          <TextField
            label="Repository"
            mono
            spellCheck={false}
            value={draft.repository_url}
            wrong={problem('repository_url')}
            help="Any address that git clones. Credentials are not part of it: they are in the settings."
            onText={(repository_url) => set({ repository_url })}
          />
          <TextField
            label="Branch"
            mono
            spellCheck={false}
            placeholder="the repository's default branch"
            value={draft.branch}
            help="Where tasks start from, and where setup runs."
            onText={(branch) => set({ branch })}
          />
          <Pairs
            label="Further repositories"
            help="Each is checked out beside the first, at /workspace/NAME."
            name="name"
            value="address"
            pairs={draft.further.map(({ name, url }) => ({ name, value: url }))}
            onPairs={(pairs) =>
              set({ further: pairs.map(({ name, value }, i) => ({ ...draft.further[i], name, url: value })) })
            }
          />
          <SelectField
            label="Agent"
            value={draft.agent.name}
            options={agents(draft.agent.name)}
            wrong={problem('agent')}
            onPick={(name) =>
              set({
                agent: (name === 'command' ? { name, command: '' } : { name }) as Draft['agent'],
              })
            }
          />
          {draft.agent.name === 'command' && (
            <Script
              label="Command"
              rows={2}
              value={draft.agent.command}
              help="Run by bash; the prompt is its standard input."
              onText={(command) => set({ agent: { name: 'command', command } })}
            />
          )}
          <SelectField
            label="Approvals before a result is published"
            value={String(draft.approvals)}
            options={[
              ['0', 'none'],
              ['1', 'one person'],
              ['2', 'two people'],
            ]}
            help="Whoever asked for the task does not count."
            onPick={(approvals) => set({ approvals: Number(approvals) })}
          />
        </Section>

        <Section
          id="scripts"
          title="Scripts"
          about="They run as root inside the sandbox, with the network and the secrets, and end at the first command that fails."
        >
          <Script
            label="Setup"
            value={draft.setup_script}
            help="Runs once; what comes of it is kept and reused."
            onText={(setup_script) => set({ setup_script })}
          />
          <Script
            label="Maintenance"
            rows={4}
            value={draft.maintenance_script}
            help="Runs when a task starts from a kept snapshot, on the task's own branch: its code gets the secrets."
            onText={(maintenance_script) => set({ maintenance_script })}
          />
          <div className={css.columns}>
            <TextField
              label="Time for each script, minutes"
              inputMode="decimal"
              value={draft.setup_minutes}
              wrong={problem('setup_minutes', '/setup_timeout_seconds')}
              onText={(setup_minutes) => set({ setup_minutes })}
            />
            <TextField
              label="Image"
              mono
              placeholder="the worker's own system"
              value={draft.base_image}
              wrong={fields?.get('/base_image')}
              help="Such as debian:12."
              onText={(base_image) => set({ base_image })}
            />
          </div>
          <Pairs
            label="Pinned runtimes"
            name="node, python, go, rust, java"
            value="version, such as 22"
            wrong={problem('runtimes')}
            pairs={draft.runtimes}
            onPairs={(runtimes) => set({ runtimes })}
          />
        </Section>

        <Section
          id="verification"
          title="Verification"
          about="Tells whether the work is right. It runs after the agent, without network, and decides which of several attempts is the best."
        >
          <Script
            label="Command"
            rows={3}
            value={draft.verify_command}
            help="Such as npm test. Without one, attempts are compared by their diffs alone."
            onText={(verify_command) => set({ verify_command })}
          />
          <div className={css.columns}>
            <TextField
              label="Time for it, minutes"
              inputMode="decimal"
              value={draft.verify_minutes}
              wrong={problem('verify_minutes', '/verify_timeout_seconds')}
              onText={(verify_minutes) => set({ verify_minutes })}
            />
          </div>
        </Section>

        <Section
          id="variables"
          title="Variables"
          about="For scripts and agent. They are not secret: the agent sees them, and can send them away if it has a network."
        >
          <Pairs
            label="Variables"
            name="NAME"
            value="value"
            wrong={problem('variables')}
            pairs={draft.variables}
            onPairs={(variables) => set({ variables })}
          />
        </Section>

        <Section
          id="secrets"
          title="Secrets"
          about="For the setup and maintenance scripts only; gone before the agent starts. Encrypted, and never shown again."
        >
          <Secrets environment={environment} />
        </Section>

        <Section id="network" title="Network">
          <Network
            environment={environment}
            network={draft.network}
            problems={problems}
            onNetwork={(network) => set({ network })}
          />
        </Section>

        <Section id="resources" title="Limits" about="Where a field is empty, the worker's own limit holds.">
          <div className={css.columns}>
            <TextField
              label="Time for the agent, minutes"
              inputMode="decimal"
              value={draft.minutes}
              wrong={problem('minutes', '/timeout_seconds')}
              onText={(minutes) => set({ minutes })}
            />
            <TextField
              label="Memory"
              placeholder="4G"
              value={draft.memory}
              wrong={problem('memory')}
              onText={(memory) => set({ memory })}
            />
            <TextField
              label="Processors"
              placeholder="1.5"
              value={draft.cpus}
              wrong={problem('cpus')}
              onText={(cpus) => set({ cpus })}
            />
            <TextField
              label="Disk"
              placeholder="10G"
              value={draft.disk}
              wrong={problem('disk')}
              onText={(disk) => set({ disk })}
            />
            <TextField
              label="Processes"
              placeholder="512"
              value={draft.processes}
              wrong={problem('processes')}
              onText={(processes) => set({ processes })}
            />
            <TextField
              label="Open files"
              placeholder="4096"
              value={draft.open_files}
              wrong={problem('open_files')}
              onText={(open_files) => set({ open_files })}
            />
            <TextField
              label="Tokens of an attempt"
              placeholder="no limit"
              value={draft.max_tokens}
              wrong={problem('max_tokens')}
              onText={(max_tokens) => set({ max_tokens })}
            />
            <TextField
              label="Attempts at once"
              placeholder="no limit"
              value={draft.max_concurrent}
              wrong={problem('max_concurrent')}
              onText={(max_concurrent) => set({ max_concurrent })}
            />
          </div>
          <Check
            label="The agent may make namespaces of its own"
            help="As browsers and container tools want. More of the kernel can then be attacked."
            checked={draft.nested_namespaces}
            onCheck={(nested_namespaces) => set({ nested_namespaces })}
          />
          <Pairs
            label="Labels that a worker must have"
            name="name"
            value="value"
            wrong={problem('labels')}
            pairs={draft.labels}
            onPairs={(labels) => set({ labels })}
          />
        </Section>

        <Section id="cache" title="Cache" about="The tree after setup, kept on each worker.">
          <Cache environment={environment} />
        </Section>

        <Section id="delete" title="Delete">
          <Delete environment={environment} />
        </Section>

        {(changed > 0 || save.error) && (
          <div className={css.bar}>
            <p aria-live="polite" className={css.barText}>
              {stale ? (
                <span className={css.error}>
                  Somebody edited this environment meanwhile.{' '}
                  <Button onClick={() => load(false)}>Put mine on top</Button>{' '}
                  <Button look="quiet" onClick={() => load(true)}>
                    Take theirs
                  </Button>
                </span>
              ) : save.error ? (
                <span className={css.error} role="alert">
                  {save.error.message} {save.error instanceof ApiError && save.error.hint}
                </span>
              ) : Object.keys(problems).length > 0 ? (
                <span className={css.error}>{Object.values(problems)[0]}</span>
              ) : (
                <>
                  <strong>
                    {changed} {changed === 1 ? 'change' : 'changes'}
                  </strong>{' '}
                  {rebuilds(patch) ? 'The next task builds its snapshot anew.' : 'From the next attempt on.'}
                </>
              )}
            </p>
            <Button
              look="main"
              busy={save.isPending}
              disabled={changed === 0 || Object.keys(problems).length > 0}
              onClick={() => save.mutate()}
            >
              Save
            </Button>
            <Button
              look="quiet"
              onClick={() => {
                setDraft(toDraft(base));
                save.reset();
              }}
            >
              Undo
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}

function Section({
  id,
  title,
  about,
  children,
}: {
  id: string;
  title: string;
  about?: string;
  children: ReactNode;
}) {
  return (
    <section id={id} className={css.section} aria-labelledby={`${id}-title`}>
      <div className={css.about}>
        <h2 id={`${id}-title`}>{title}</h2>
        {about && <p className={css.quiet}>{about}</p>}
      </div>
      <div className={css.fields}>{children}</div>
    </section>
  );
}

function Delete({ environment }: { environment: EnvironmentType }) {
  const [asking, setAsking] = useState(false);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => call(deleteEnvironment({ path: { id: environment.id } })),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: environmentsQuery.queryKey });
      await navigate({ to: '/environments' });
    },
  });
  return (
    <>
      <Button look="danger" className={css.start} onClick={() => setAsking(true)}>
        Delete this environment
      </Button>
      {asking && (
        <Dialog title={`Delete ${environment.label}?`} onClose={() => setAsking(false)}>
          <p>Its scripts, secrets and rules are gone. Tasks that it had stay and can be read.</p>
          {remove.error && (
            <p role="alert" className={css.error}>
              {remove.error.message} {remove.error instanceof ApiError && remove.error.hint}
            </p>
          )}
          <div className={css.does}>
            <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
              Delete
            </Button>
            <Button look="quiet" onClick={() => setAsking(false)}>
              Keep it
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

const AGENTS = ['codex', 'command'];
const agents = (now: string): [string, string][] =>
  [...new Set([...AGENTS, now])].map((name) => [name, name === 'command' ? 'a command' : name]);

/** What was edited, field by field. */
function mine(base: EnvironmentType, draft: Draft): Partial<Draft> {
  const before = toDraft(base);
  const fields = Object.keys(draft) as (keyof Draft)[];
  return Object.fromEntries(
    fields
      .filter((field) => JSON.stringify(before[field]) !== JSON.stringify(draft[field]))
      .map((field) => [field, draft[field]]),
  );
}

const IN_KEY = [
  'setup_script',
  'maintenance_script',
  'variables',
  'runtimes',
  'base_image',
  'repository_url',
  'further_repositories',
];
const rebuilds = (patch: object) => IN_KEY.some((field) => field in patch);
