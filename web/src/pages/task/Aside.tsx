import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';
import { call } from '@/api/call';
import type { Follow } from '@/api/follow';
import { type Attempt, type Task, type Turn, tryMerges, type Verification } from '@/api/generated';
import { overlapsQuery, publicationsQuery, taskQuery } from '@/api/tasks';
import { meQuery } from '@/app/session';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Copy } from '@/parts/Copy';
import { counted, duration, number, short } from '@/parts/format';
import type { Step } from '@/parts/log/model';
import { Plain } from '@/parts/Plain';
import { Refused } from '@/parts/Refused';
import { Status } from '@/parts/Status';
import css from './Aside.module.css';
import { useChoose, useDismiss, useMay } from './actions';
import { AgentName, CostText, VerifiedMark } from './evidence';
import { applyCommand, safeUrl } from './Header';
import { hasDiff, hasEnded } from './turns';

export interface AsideProps {
  task: Task;
  turn: Turn;
  attempt: Attempt;
  follow: Follow;
}

/** What is known about the attempt beside its log and its diff. */
export function Aside(props: AsideProps) {
  const { task, turn, attempt, follow } = props;
  const { plan } = follow.model;
  // What comes in between would move what is below it.
  const published = useQuery(publicationsQuery(task.id));
  const overlapping = useQuery(overlapsQuery(task.id));
  const steps = (
    <Part key="steps" title="Steps">
      <Steps attempt={attempt} steps={follow.model.steps} />
    </Part>
  );
  const planned = plan.length > 0 && (
    <Part key="plan" title="Plan">
      <ol className={css.plan}>
        {plan.map(({ text, status }, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: entries have no other name
          <li key={at} className={status === 'completed' ? css.done : undefined}>
            <span aria-hidden="true">{PLAN_MARKS[status] ?? '○'}</span>
            <span>
              <Plain text={text} />
              <span className="visually-hidden"> ({status.replaceAll('_', ' ')})</span>
            </span>
          </li>
        ))}
      </ol>
    </Part>
  );
  const ranked = turn.attempts.length > 1 && <Ranked key="ranking" {...props} />;
  const verified = attempt.verification && (
    <Part key="verification" title="Verification">
      <Verified verification={attempt.verification} />
    </Part>
  );
  // While it works, one looks at how far it is; afterwards, at what it is worth.
  const order = hasEnded(attempt) ? [ranked, verified] : [steps, planned, ranked, verified];
  return (
    <div className={css.aside} aria-busy={published.isPending || overlapping.isPending}>
      <Failure attempt={attempt} />
      {order}
      <Approved task={task} />
      <Publications task={task} />
      <Overlaps task={task} />
      {hasDiff(attempt) && (
        <Part title="Apply">
          <Copy text={applyCommand(task, turn, attempt)} label="Command that applies this diff" />
        </Part>
      )}
      {attempt.output != null && (
        <Part title="Output">
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable with the keyboard */}
          <pre className={css.tail} tabIndex={0}>
            <Plain text={JSON.stringify(attempt.output, null, 2)} lines />
          </pre>
        </Part>
      )}
      {hasEnded(attempt) && [steps, planned]}
      <Part title="Attempt">
        <Facts {...props} />
      </Part>
    </div>
  );
}

const PLAN_MARKS: Record<string, string> = { completed: '✓', in_progress: '◐' };

function Approved({ task: { approval } }: { task: Task }) {
  if (!approval || approval.state === 'not_needed') return null;
  const names = (all: typeof approval.given) => all.map(({ by }) => by.name).join(', ');
  return (
    <Part title="Approval">
      <p>
        {approval.state === 'approved' ? '✓ Approved' : `${approval.given.length} of ${approval.needed}`}
        {approval.given.length > 0 && (
          <>
            {' '}
            by <Plain text={names(approval.given)} />
          </>
        )}
      </p>
      {approval.rejected.length > 0 && (
        <p className={css.bad}>
          ✕ Rejected by <Plain text={names(approval.rejected)} />
        </p>
      )}
    </Part>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={css.part}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Failure({ attempt: { failure } }: { attempt: Attempt }) {
  if (!failure) return null;
  return (
    <section className={css.failure} aria-label="Why it failed">
      <p>
        <Plain text={failure.message} lines />
      </p>
      {failure.hint && (
        <p className={css.quiet}>
          <Plain text={failure.hint} lines />
        </p>
      )}
      <code>{failure.code}</code>
    </section>
  );
}

function Steps({ attempt, steps }: { attempt: Attempt; steps: Step[] }) {
  const over = hasEnded(attempt);
  if (steps.length === 0) {
    return (
      <p className={css.quiet}>
        {over
          ? 'It ended before it began.'
          : attempt.state === 'queued'
            ? 'It waits for a worker.'
            : 'A worker has it.'}
      </p>
    );
  }
  return (
    <ol className={css.steps}>
      {steps.map((step, at) => {
        const failed = attempt.failure != null && step.detail === attempt.failure.code;
        const running = step.durationMs === undefined && !over && at === steps.length - 1;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: a step may come again
          <li key={at}>
            <span aria-hidden="true" className={running ? css.running : failed ? css.bad : css.ended}>
              {running ? '◐' : failed ? '✕' : step.durationMs === undefined ? '–' : '✓'}
            </span>
            <span className={css.stepName}>
              {step.name}
              {failed && <span className="visually-hidden"> failed</span>}
            </span>
            <span className={css.took}>
              {step.durationMs === undefined ? (
                running ? (
                  <Running since={step.startedAt} />
                ) : (
                  'stopped'
                )
              ) : (
                duration(step.durationMs)
              )}
            </span>
          </li>
        );
      })}
    </ol>
  );
}

function Running({ since }: { since: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  const ms = Math.max(0, now - new Date(since).getTime());
  return <>{duration(Math.floor(ms / 1000) * 1000).replace('.0 s', ' s')}</>;
}

function Verified({ verification }: { verification: Verification }) {
  const { command, exit_code, duration_ms, tests, tail, with_original_tests: original } = verification;
  return (
    <div className={css.stack}>
      <p>
        <VerifiedMark verification={verification} />
        {tests && tests.skipped > 0 && <span className={css.quiet}> · {tests.skipped} skipped</span>}
        {exit_code != null && exit_code !== 0 && <span className={css.quiet}> · exit {exit_code}</span>}
        <span className={css.quiet}> · {duration(duration_ms)}</span>
      </p>
      {original && (
        <p className={original.state === 'passed' ? css.quiet : css.bad}>
          It changed tests that were there before. With them put back: {original.state.replaceAll('_', ' ')}.
          <span className={css.paths}>
            <Plain text={original.changed.join('\n')} lines />
          </span>
        </p>
      )}
      {command && (
        <code className={css.code}>
          <Plain text={command} lines />
        </code>
      )}
      {tail && (
        <details>
          <summary>End of its output</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable with the keyboard */}
          <pre className={css.tail} tabIndex={0}>
            <Plain text={tail} lines />
          </pre>
        </details>
      )}
    </div>
  );
}

const VERDICTS: Record<string, string> = {
  decided: 'Best',
  tie: 'A tie',
  none_passed: 'None passed',
  unverified: 'Not verified',
  nothing_done: 'Nothing was done',
  pending: 'Not decided yet',
};

function Ranked({ task, turn, attempt }: AsideProps) {
  const choose = useChoose(task.id);
  const me = useQuery(meQuery);
  const may = useMay();
  const { ranking, chosen } = turn;
  if (!ranking && !chosen) return null;
  const isChosen = chosen?.attempt === attempt.number;
  return (
    <Part title="Ranking">
      <div className={css.stack}>
        {ranking && (
          <p>
            <b>
              {VERDICTS[ranking.verdict] ?? ranking.verdict}
              {ranking.best != null && `: attempt ${ranking.best}`}
            </b>
            <span className={css.block}>
              <Plain text={ranking.summary} />
            </span>
          </p>
        )}
        <ol className={css.places}>
          {ranking?.places.map(({ attempt: of, place, reasons }) => (
            <li key={of} className={of === attempt.number ? css.current : undefined}>
              <b>
                {place}. Attempt {of}
              </b>
              <ul>
                {reasons.map(({ kind, text, good }) => (
                  <li key={kind + text}>
                    <span aria-hidden="true" className={good ? css.good : css.bad}>
                      {good ? '+' : '−'}
                    </span>{' '}
                    <Plain text={text} />
                  </li>
                ))}
              </ul>
            </li>
          ))}
        </ol>
        {chosen && (
          <p className={css.quiet}>
            {chosen.by === me.data?.principal_id ? 'You' : 'Somebody'} chose attempt {chosen.attempt},{' '}
            <Ago at={chosen.at} />.
          </p>
        )}
        {hasEnded(attempt) && may && (
          <Button
            busy={choose.isPending}
            onClick={() =>
              choose.mutate({ turn: turn.number, attempt: isChosen ? undefined : attempt.number })
            }
          >
            {isChosen ? 'Leave it to the ranking' : `Choose attempt ${attempt.number}`}
          </Button>
        )}
        <Refused error={choose.error} />
      </div>
    </Part>
  );
}

function Overlaps({ task }: { task: Task }) {
  const overlaps = useQuery(overlapsQuery(task.id));
  const may = useMay();
  const dismiss = useDismiss(task.id);
  // A task does not say so of itself; here it can be taken back as long as this is looked at.
  const dismissed = dismiss.isSuccess && dismiss.variables;
  if (dismissed)
    return (
      <Part title="Overlaps">
        <p>Dismissed: it is no overlap of others until it has another turn.</p>
        <Button busy={dismiss.isPending} onClick={() => dismiss.mutate(false)}>
          Take it back
        </Button>
        <Refused error={dismiss.error} />
      </Part>
    );
  if (!overlaps.data || overlaps.data.length === 0) return null;
  const hasResult = task.summary.files_changed > 0;
  return (
    <Part title={`Overlaps (${overlaps.data.length})`}>
      <ul className={css.stack}>
        {overlaps.data.map((overlap) => (
          <li key={overlap.task_id}>
            <Link to="/tasks/$id" params={{ id: overlap.task_id }}>
              <Plain text={overlap.title} />
            </Link>{' '}
            <Status status={overlap.status} />
            <span
              className={css.paths}
              title={overlap.certainty === 'touched' ? 'Both change these files' : 'Both name these files'}
            >
              {overlap.certainty === 'touched' ? 'changes ' : 'names '}
              <Plain text={overlap.paths.slice(0, 3).join(', ')} />
              {overlap.path_count > 3 && ` and ${overlap.path_count - 3} more`}
            </span>
          </li>
        ))}
      </ul>
      {hasResult && (
        <MergeOrder tasks={[task.id, ...overlaps.data.map(({ task_id }) => task_id)].slice(0, 20)} />
      )}
      {may && (
        <Button
          title="It is no overlap of others until it has another turn"
          busy={dismiss.isPending}
          onClick={() => dismiss.mutate(true)}
        >
          Nobody will merge this one
        </Button>
      )}
      <Refused error={dismiss.error} />
    </Part>
  );
}

/** Whether the results can be merged one after the other, tried on the server. */
function MergeOrder({ tasks }: { tasks: string[] }) {
  const merges = useMutation({ mutationFn: () => call(tryMerges({ body: { tasks } })) });
  const { data } = merges;
  return (
    <div className={css.stack}>
      <Button busy={merges.isPending} onClick={() => merges.mutate()}>
        Which order merges?
      </Button>
      <Refused error={merges.error} />
      {data && (
        <ol className={css.places} aria-label="Order">
          {data.order.map((id) => {
            const conflict = data.conflicts.find(({ task_id }) => task_id === id);
            return (
              <li key={id}>
                <span className={conflict ? css.bad : css.good}>{conflict ? '✕ conflicts' : '✓ merges'}</span>{' '}
                {id === tasks[0] ? 'this task' : <TaskName id={id} />}
                {conflict && (
                  <span className={css.paths}>
                    <Plain text={conflict.paths.slice(0, 5).join(', ')} />
                  </span>
                )}
              </li>
            );
          })}
        </ol>
      )}
    </div>
  );
}

function TaskName({ id }: { id: string }) {
  const task = useQuery({ ...taskQuery(id), refetchInterval: false });
  return (
    <Link to="/tasks/$id" params={{ id }}>
      <Plain text={task.data?.title ?? id} />
    </Link>
  );
}

function Publications({ task }: { task: Task }) {
  const publications = useQuery(publicationsQuery(task.id));
  if (!publications.data || publications.data.length === 0) return null;
  return (
    <Part title="Pull request">
      <ul className={css.stack}>
        {publications.data.map((one) => (
          <li key={one.id}>
            <span
              className={one.state === 'failed' ? css.bad : one.state === 'published' ? css.good : css.quiet}
            >
              {one.state === 'failed' ? '✕' : one.state === 'published' ? '✓' : '◐'} {one.state}
            </span>{' '}
            {one.pull_request ? (
              <a href={safeUrl(one.pull_request.url)} rel="noreferrer">
                #{one.pull_request.number}
              </a>
            ) : null}{' '}
            <span className={css.quiet}>
              <Ago at={one.created_at} />
            </span>
            <span className={css.paths}>
              <Plain text={one.branch} />
            </span>
            {(one.failure || one.message) && (
              <span className={css.block}>
                <Plain text={one.failure?.message ?? one.message ?? ''} lines />{' '}
                {one.failure?.hint && (
                  <span className={css.quiet}>
                    <Plain text={one.failure.hint} lines />
                  </span>
                )}
              </span>
            )}
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Facts({ attempt, follow, turn }: AsideProps) {
  const { tokens } = attempt;
  const rows: [string, ReactNode][] = [];
  if (turn.attempts.length === 1) rows.push(['State', <Status key="state" status={attempt.state} />]);
  if (attempt.agent) rows.push(['Agent', <AgentName key="agent" agent={attempt.agent} />]);
  if (tokens) {
    rows.push([
      'Tokens',
      <span
        key="tokens"
        title={`${number(tokens.cached_input)} of the input cached, ${number(tokens.reasoning)} reasoning`}
      >
        {tokens.uncounted_calls > 0 && '≥ '}
        {short(tokens.input)} in, {short(tokens.output)} out
      </span>,
    ]);
  }
  if (attempt.cost) rows.push(['Cost', <CostText key="cost" cost={attempt.cost} />]);
  if (follow.model.calls > 0) rows.push(['Model', counted(follow.model.calls, 'call')]);
  if (attempt.worker) rows.push(['Worker', <Plain key="worker" text={attempt.worker} />]);
  if (attempt.isolation) rows.push(['Isolation', <Plain key="isolation" text={attempt.isolation} />]);
  if (attempt.tries > 1) rows.push(['Tries', String(attempt.tries)]);
  if (attempt.ended_at) rows.push(['Ended', <Ago key="ended" at={attempt.ended_at} />]);
  else if (attempt.deadline_at) rows.push(['Deadline', <Ago key="deadline" at={attempt.deadline_at} />]);
  rows.push(['Id', <code key="id">{attempt.id}</code>]);
  return (
    <dl className={css.facts}>
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
