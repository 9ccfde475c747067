import { useMutation, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useDeferredValue, useEffect, useRef, useState } from 'react';
import { call } from '@/api/call';
import {
  type Environment,
  findOverlaps,
  type Priority,
  submitTask,
  type Task,
  type TaskKind,
} from '@/api/generated';
import { ApiError } from '@/api/problem';
import { queryClient } from '@/api/queries';
import { environmentsQuery, taskQuery } from '@/api/tasks';
import { Button, buttonClass } from '@/parts/Button';
import { Empty } from '@/parts/Empty';
import { Failed } from '@/parts/Failed';
import { Field, Segments } from '@/parts/Field';
import field from '@/parts/Field.module.css';
import { Plain } from '@/parts/Plain';
import { Refused } from '@/parts/Refused';
import { Status } from '@/parts/Status';
import { newKey } from '../task/actions';
import css from './Composer.module.css';
import { type AgentDraft, type Draft, EMPTY, keep, kept, OWN_AGENT, pathsOf, requestOf } from './draft';

/** Where a task is written and started. */
export function Composer() {
  const environments = useQuery(environmentsQuery);
  if (environments.error)
    return <Failed whole error={environments.error} reset={() => void environments.refetch()} />;
  if (!environments.data) return <p className="notice">Reading the environments…</p>;
  if (environments.data.length === 0) {
    return (
      <Empty whole title="There is no environment yet.">
        <p>An environment says which repository tasks work on, and how. A task needs one.</p>
        <Link to="/environments" className={buttonClass('main')}>
          Environments
        </Link>
      </Empty>
    );
  }
  return <Form environments={environments.data} />;
}

const LAST = 'outwork.environment';

function useDraft(environments: Environment[]) {
  const search: { environment?: string } = useSearch({ strict: false });
  const [draft, setDraft] = useState<Draft>(() => {
    const before = kept();
    const labels = environments.map(({ label }) => label);
    const wanted = [search.environment, before.environment, localStorage.getItem(LAST)].find(
      (label) => label && labels.includes(label),
    );
    return { ...before, environment: wanted ?? (labels.length === 1 ? (labels[0] ?? '') : '') };
  });
  useEffect(() => keep(draft), [draft]);
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }));
  return { draft, set };
}

function Form({ environments }: { environments: Environment[] }) {
  const { draft, set } = useDraft(environments);
  const navigate = useNavigate();
  const key = useRef({ of: '', key: newKey() });
  const environment = environments.find(({ label }) => label === draft.environment);
  const submit = useMutation({
    mutationFn: (): Promise<Task> => {
      const body = requestOf(draft, environment?.agent);
      const text = JSON.stringify(body);
      // The same request sent again has the same key; another one has another.
      if (key.current.of !== text) key.current = { of: text, key: newKey() };
      return call(submitTask({ body, headers: { 'Idempotency-Key': key.current.key } }));
    },
    onSuccess: (task) => {
      localStorage.setItem(LAST, draft.environment);
      keep(undefined);
      set({ ...EMPTY, environment: draft.environment });
      queryClient.setQueryData(taskQuery(task.id).queryKey, task);
      void queryClient.invalidateQueries({ queryKey: ['head'] });
      void navigate({ to: '/tasks/$id', params: { id: task.id } });
    },
  });
  const wrong = submit.error instanceof ApiError ? submit.error.fields : new Map<string, string>();
  const ready = draft.prompt.trim() !== '' && draft.environment !== '' && !submit.isPending;
  const send = () => ready && submit.mutate();
  return (
    <form
      className={css.page}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <h1>New task</h1>
      <Field label="What is to be done" wrong={wrong.get('/prompt')}>
        {(props) => (
          <textarea
            {...props}
            // biome-ignore lint/a11y/noAutofocus: the page is for writing this
            autoFocus
            className={`${field.area} ${css.prompt}`}
            required
            placeholder="Say what should be different afterwards, and how one can tell."
            value={draft.prompt}
            onChange={(event) => set({ prompt: event.target.value })}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
                event.preventDefault();
                send();
              }
            }}
          />
        )}
      </Field>
      <div className={css.row}>
        <Field
          label="Environment"
          wrong={wrong.get('/environment')}
          help={environment && <Plain text={environment.repository_url} />}
        >
          {(props) => (
            <select
              {...props}
              required
              className={field.select}
              value={draft.environment}
              onChange={(event) => set({ environment: event.target.value })}
            >
              <option value="">Choose…</option>
              {environments.map(({ id, label }) => (
                <option key={id}>{label}</option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Branch" wrong={wrong.get('/branch')}>
          {(props) => (
            <input
              {...props}
              className={field.text}
              spellCheck={false}
              placeholder={environment?.branch ?? 'the default branch'}
              value={draft.branch}
              onChange={(event) => set({ branch: event.target.value })}
            />
          )}
        </Field>
      </div>
      <div className={css.choices}>
        <div className={field.field}>
          <span className={field.label}>Attempts</span>
          <Segments
            label="Attempts"
            values={[1, 2, 3, 4]}
            value={draft.attempts}
            onChange={(attempts) => set({ attempts })}
          />
        </div>
        <div className={field.field}>
          <span className={field.label}>Priority</span>
          <Segments<Priority>
            label="Priority"
            text={capital}
            values={['low', 'normal', 'high']}
            value={draft.priority}
            onChange={(priority) => set({ priority })}
          />
        </div>
        <div className={field.field}>
          <span className={field.label}>Kind</span>
          <Segments<TaskKind>
            label="Kind"
            text={capital}
            values={['code', 'review']}
            value={draft.kind}
            onChange={(kind) => set({ kind })}
          />
        </div>
      </div>
      <label className={field.check}>
        <input
          type="checkbox"
          checked={draft.interactive}
          onChange={(event) => set({ interactive: event.target.checked })}
        />
        The agent may ask, and wait for an answer
      </label>
      <details
        className={css.more}
        open={draft.agents.some(({ name }) => name !== '') || draft.paths !== '' || undefined}
      >
        <summary>Agents and files</summary>
        <Agents draft={draft} set={set} environment={environment} />
        <Field
          label="Files that it will change"
          help="As far as you know: others are warned of tasks that change the same. Separated by commas or lines."
          wrong={wrong.get('/paths')}
        >
          {(props) => (
            <input
              {...props}
              className={field.text}
              spellCheck={false}
              value={draft.paths}
              onChange={(event) => set({ paths: event.target.value })}
            />
          )}
        </Field>
      </details>
      <Overlapping draft={draft} />
      <Refused error={submit.error} />
      <div className={css.end}>
        <span className={css.hint}>
          <kbd>Ctrl</kbd> <kbd>↵</kbd>
        </span>
        <Button type="submit" look="main" disabled={!ready} busy={submit.isPending}>
          Start {draft.attempts > 1 ? `${draft.attempts} attempts` : 'task'}
        </Button>
      </div>
    </form>
  );
}

interface AgentsProps {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  environment: Environment | undefined;
}

function Agents({ draft, set, environment }: AgentsProps) {
  const change = (at: number, to: Partial<AgentDraft>) =>
    set({
      agents: Array.from({ length: 4 }, (_, index) => {
        const before = draft.agents[index] ?? OWN_AGENT;
        return index === at ? { ...before, ...to } : before;
      }),
    });
  return (
    <fieldset className={css.agents}>
      <legend className={field.label}>Agent of each attempt</legend>
      {Array.from({ length: draft.attempts }, (_, at) => {
        const { name, detail } = draft.agents[at] ?? OWN_AGENT;
        const number = at + 1;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: attempts are numbered
          <div key={at} className={css.agent}>
            <select
              className={field.select}
              aria-label={`Agent of attempt ${number}`}
              value={name}
              onChange={(event) => change(at, { name: event.target.value as AgentDraft['name'], detail: '' })}
            >
              <option value="">The environment's{environment && ` (${environment.agent.name})`}</option>
              <option value="codex">codex</option>
              <option value="command">A command</option>
            </select>
            {name !== '' && (
              <input
                className={field.text}
                aria-label={name === 'codex' ? `Model of attempt ${number}` : `Command of attempt ${number}`}
                placeholder={
                  name === 'codex' ? "the workspace's model" : 'Bash; the prompt is its standard input'
                }
                required={name === 'command'}
                spellCheck={false}
                value={detail}
                onChange={(event) => change(at, { detail: event.target.value })}
              />
            )}
          </div>
        );
      })}
    </fieldset>
  );
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Other open tasks that change what this one is about to change. */
function Overlapping({ draft }: { draft: Draft }) {
  const wanted = useSettled(draft, 600);
  const overlaps = useQuery({
    queryKey: ['overlaps', wanted.environment, wanted.branch, wanted.prompt, wanted.paths],
    queryFn: async ({ signal }) => {
      const body = {
        environment: wanted.environment,
        prompt: wanted.prompt,
        ...(wanted.branch.trim() !== '' && { branch: wanted.branch.trim() }),
        ...(wanted.paths.trim() !== '' && { paths: pathsOf(wanted.paths) }),
      };
      return (await call(findOverlaps({ body, signal }))).items;
    },
    enabled: wanted.environment !== '' && wanted.prompt.trim().length > 3,
    retry: false,
    staleTime: 20_000,
  });
  const found = useDeferredValue(overlaps.data) ?? [];
  return (
    <div aria-live="polite">
      {found.length > 0 && (
        <section className={css.overlaps} aria-label="Overlaps">
          <b>
            ⇄ {found.length === 1 ? 'Another open task is' : `${found.length} other open tasks are`} about the
            same files
          </b>
          <ul>
            {found.slice(0, 5).map((overlap) => (
              <li key={overlap.task_id}>
                <Status status={overlap.status} />{' '}
                <Link to="/tasks/$id" params={{ id: overlap.task_id }} target="_blank">
                  <Plain text={overlap.title} />
                </Link>
                <span className={css.paths}>
                  {overlap.certainty === 'touched' ? 'changes ' : 'names '}
                  <Plain text={overlap.paths.slice(0, 4).join(', ')} />
                  {overlap.path_count > 4 && ` and ${overlap.path_count - 4} more`}
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

/** The value as soon as it has not changed for a while. */
function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
