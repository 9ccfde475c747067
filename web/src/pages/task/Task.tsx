import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useFollow } from '@/api/follow';
import type { Attempt, ComposedFrom, Task, Turn } from '@/api/generated';
import { taskQuery } from '@/api/tasks';
import { useKeys } from '@/app/keys/keys';
import { Failed } from '@/parts/Failed';
import { counted } from '@/parts/format';
import { Log } from '@/parts/log/Log';
import { Plain } from '@/parts/Plain';
import { Prose } from '@/parts/Prose';
import { plainText } from '@/parts/plain';
import { Stat } from '@/parts/Stat';
import { Review } from '../review/Review';
import { Aside } from './Aside';
import { Attempts } from './Attempts';
import { Header } from './Header';
import { Network } from './Network';
import { Reply } from './Reply';
import css from './Task.module.css';
import { firstShown, hasDiff, hasEnded } from './turns';

const TABS = ['log', 'changes', 'network', 'details'] as const;
type Tab = (typeof TABS)[number];

/** A task: what was asked, what each attempt does, and what came of it. */
export function TaskPage() {
  const { id } = useParams({ from: '/inside/tasks/$id' });
  const task = useQuery(taskQuery(id));
  useEffect(() => {
    if (!task.data) return;
    const before = document.title;
    const mark = { needs_input: '? ', completed: '✓ ', failed: '✕ ' }[task.data.status] ?? '';
    document.title = `${mark}${plainText(task.data.title)} · Outwork`;
    return () => {
      document.title = before;
    };
  }, [task.data]);
  if (task.data) return <Shown task={task.data} />;
  if (task.error) return <Failed whole error={task.error} reset={() => void task.refetch()} />;
  return <p className="notice">Reading the task…</p>;
}

function Shown({ task }: { task: Task }) {
  const search = useSearch({ from: '/inside/tasks/$id' });
  const navigate = useNavigate({ from: '/tasks/$id' });
  const turn = task.turns.find(({ number }) => number === Number(search.turn)) ?? task.turns.at(-1);
  const asked = turn?.attempts.find(({ number }) => number === Number(search.attempt));
  // What is shown stays shown, also when by now another attempt, or its changes, would be shown first.
  const [stays, setStays] = useState<{ id: string; tab: Tab }>();
  const attempt = asked ?? turn?.attempts.find(({ id }) => id === stays?.id) ?? (turn && firstShown(turn));
  if (attempt && stays?.id !== attempt.id) {
    setStays({ id: attempt.id, tab: hasEnded(attempt) && hasDiff(attempt) ? 'changes' : 'log' });
  }
  const go = (to: Record<string, string | number | undefined>) =>
    void navigate({ search: (before) => ({ ...before, ...to }), replace: true });
  const numbers = turn?.attempts.map(({ number }) => number) ?? [];
  const next = (by: number) => {
    const at = numbers.indexOf(attempt?.number ?? 0);
    const number = numbers[at + by];
    if (number !== undefined) go({ attempt: number });
  };
  useKeys('Task', {
    '[': { text: 'Attempt before', run: () => next(-1) },
    ']': { text: 'Next attempt', run: () => next(1) },
    l: { text: 'Log', run: () => go({ tab: 'log' }) },
    d: { text: 'Changes', run: () => go({ tab: 'changes' }) },
    n: { text: 'Network', run: () => go({ tab: 'network' }) },
    '/': { text: 'Find in the log', run: () => focus('[data-find]') },
    r: { text: 'Reply', run: () => focus('[data-reply]') },
  });
  if (!turn || !attempt) return <Failed whole error={new Error('This task has no turn yet.')} />;
  const tab = TABS.find((name) => name === search.tab) ?? stays?.tab ?? 'log';
  return (
    <div className={css.page} data-fills={tab === 'log' || undefined}>
      <div className={css.content}>
        <Header task={task} turn={turn} attempt={attempt} />
        {task.turns.length > 1 && <Turns task={task} turn={turn} go={go} />}
        {turn.prompt.trim() !== task.title && (
          <Said key={turn.id} label="What was asked" text={turn.prompt} />
        )}
        {turn.composed_from && turn.composed_from.length > 0 && <Composed from={turn.composed_from} />}
        {turn.attempts.length > 1 && (
          <Attempts turn={turn} shown={attempt} onShow={(number) => go({ attempt: number })} />
        )}
        {hasEnded(attempt) && attempt.message && (
          <Said key={attempt.id} label="What the agent said" text={attempt.message} agent />
        )}
        <Content task={task} turn={turn} attempt={attempt} tab={tab} go={go} />
      </div>
      <Reply key={`${turn.id} ${attempt.id}`} task={task} turn={turn} attempt={attempt} />
    </div>
  );
}

const focus = (selector: string) => document.querySelector<HTMLElement>(selector)?.focus();

function Turns({
  task,
  turn,
  go,
}: {
  task: Task;
  turn: Turn;
  go: (to: Record<string, number | undefined>) => void;
}) {
  return (
    <nav aria-label="Turns" className={css.turns}>
      {task.turns.map(({ number, prompt, kind }) => (
        <button
          key={number}
          type="button"
          aria-current={number === turn.number ? 'page' : undefined}
          onClick={() => go({ turn: number, attempt: undefined })}
        >
          <b>{number}</b>{' '}
          {kind === 'composition' ? 'Composed' : <Plain text={prompt.split('\n')[0]?.slice(0, 80) ?? ''} />}
        </button>
      ))}
    </nav>
  );
}

const LONG = 400;

function Said({ label, text, agent = false }: { label: string; text: string; agent?: boolean }) {
  const long = text.length > LONG || text.split('\n').length > 4;
  const [open, setOpen] = useState(!long);
  if (text.trim() === '') return null;
  return (
    <section aria-label={label} className={agent ? `${css.said} ${css.agent}` : css.said}>
      <div className={open ? undefined : css.clamped}>
        <Prose text={open ? text : text.slice(0, 4 * LONG)} />
      </div>
      {long && (
        <button type="button" className={css.linkish} aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? 'Show less' : 'Show all'}
        </button>
      )}
    </section>
  );
}

function Composed({ from }: { from: ComposedFrom[] }) {
  const parts = from.map(({ attempt, files, hunks }) => {
    const what = [
      files.length > 0 && counted(files.length, 'file'),
      hunks.length > 0 && counted(hunks.length, 'hunk'),
    ];
    return `${what.filter(Boolean).join(' and ')} of attempt ${attempt}`;
  });
  return <p className={css.composed}>Composed from {parts.join(', ')}.</p>;
}

interface ContentProps {
  task: Task;
  turn: Turn;
  attempt: Attempt;
  tab: Tab;
  go: (to: Record<string, string | undefined>) => void;
}

function Content({ task, turn, attempt, tab, go }: ContentProps) {
  const follow = useFollow(attempt.id);
  const { requests } = follow.model;
  const refused = requests.filter(({ verdict }) => verdict !== 'allowed').length;
  const names: Record<Tab, React.ReactNode> = {
    log: 'Log',
    changes: (
      <>
        Changes <Stat stat={attempt.diff ?? follow.model.checkpoint} />
      </>
    ),
    network: (
      <>
        Network {requests.length > 0 && <span className={css.count}>{requests.length}</span>}
        {refused > 0 && <span className={css.refused}>{refused} refused</span>}
      </>
    ),
    details: 'Details',
  };
  return (
    <div className={css.split}>
      <div className={css.panes}>
        <div role="tablist" aria-label="About the attempt" className={css.tabs}>
          {TABS.map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`tab-${name}`}
              aria-selected={name === tab}
              aria-controls="pane"
              tabIndex={name === tab ? 0 : -1}
              className={name === 'details' ? css.narrowOnly : undefined}
              onClick={() => go({ tab: name })}
              onKeyDown={(event) => {
                const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
                const to = TABS[TABS.indexOf(name) + by];
                if (by === 0 || !to) return;
                go({ tab: to });
                document.getElementById(`tab-${to}`)?.focus();
              }}
            >
              {names[name]}
            </button>
          ))}
        </div>
        <div id="pane" role="tabpanel" aria-labelledby={`tab-${tab}`} className={css[tab]}>
          {tab === 'log' && (
            <Log key={attempt.id} follow={follow} label={`Log of attempt ${attempt.number}`} />
          )}
          {tab === 'changes' && <Changes task={task} turn={turn} attempt={attempt} />}
          {tab === 'network' && <Network requests={requests} environment={task.environment_label} />}
          {tab === 'details' && <Aside task={task} turn={turn} attempt={attempt} follow={follow} />}
        </div>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled, and often has nothing else that keys reach */}
      <aside aria-label="Details" className={css.aside} tabIndex={0}>
        <Aside task={task} turn={turn} attempt={attempt} follow={follow} />
      </aside>
    </div>
  );
}

function Changes({ task, turn, attempt }: { task: Task; turn: Turn; attempt: Attempt }) {
  if (!attempt.diff) {
    return (
      <p className="notice">
        {hasEnded(attempt)
          ? 'This attempt ended without a diff.'
          : 'There is a diff as soon as the attempt has ended, or its work so far was saved.'}
      </p>
    );
  }
  return (
    <div data-own-keys="j k n p c v x">
      <Review taskId={task.id} turn={turn.number} attempt={attempt} attempts={turn.attempts} />
    </div>
  );
}
