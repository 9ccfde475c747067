import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { call } from '@/api/call';
import {
  drainWorker,
  forgetWorker,
  listEnrolmentTokens,
  listWorkers,
  makeEnrolmentToken,
  retireWorker,
  revokeEnrolmentToken,
  revokeWorker,
  setWorkerSlots,
  undrainWorker,
  type Worker,
} from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Confirm } from '@/parts/Confirm';
import { Empty } from '@/parts/Empty';
import { Failed } from '@/parts/Failed';
import { TextField } from '@/parts/Field';
import { Once } from '@/parts/Once';
import { Page, Section, Waits } from '@/parts/Page';
import { Scroll } from '@/parts/Scroll';
import table from '@/parts/Table.module.css';
import css from './Workers.module.css';

/** How often workers are asked for; there is no stream of them. */
const EVERY_MS = 5_000;

/** The machines that run attempts: what they can take, what they hold, and how they come and go. */
export function Workers() {
  const workers = useQuery({
    queryKey: ['workers'],
    queryFn: ({ signal }) => call(listWorkers({ signal })),
    refetchInterval: EVERY_MS,
  });
  const items = workers.data?.items ?? [];
  const online = items.filter((worker) => worker.online);
  const slots = online.reduce((sum, worker) => sum + worker.slots, 0);
  const held = online.reduce((sum, worker) => sum + worker.attempts.length, 0);
  return (
    <Page title="Workers">
      {workers.isPending && <Waits />}
      {workers.error && !workers.data && <Failed error={workers.error} reset={() => workers.refetch()} />}
      {workers.data && items.length === 0 && (
        <Empty title="No worker has registered.">
          <p>Make an enrolment token below, and run the command that it shows on a Linux machine.</p>
        </Empty>
      )}
      {items.length > 0 && (
        <>
          <p className={css.summary}>
            {online.length} of {items.length} online, {held} of {slots} slots in use
          </p>
          <ul className={css.list}>
            {items.map((worker) => (
              <WorkerCard key={worker.id} worker={worker} />
            ))}
          </ul>
        </>
      )}
      <Enrolment />
    </Page>
  );
}

const STATES: Record<string, string> = {
  online: 'takes work',
  draining: 'ends what it has',
  drained: 'out of work',
  offline: 'not heard of',
};

function WorkerCard({ worker }: { worker: Worker }) {
  const client = useQueryClient();
  const [slots, setSlots] = useState('');
  const act = useMutation({
    mutationFn: (action: () => Promise<unknown>) => action(),
    onSettled: () => client.invalidateQueries({ queryKey: ['workers'] }),
  });
  const path = { id: worker.id };
  const drains = worker.desired !== 'run';
  return (
    <li className={css.card} data-state={worker.state}>
      <div className={css.head}>
        <h2>{worker.name}</h2>
        <span className={css.state}>{STATES[worker.state] ?? worker.state}</span>
        <span className={table.muted}>
          seen <Ago at={worker.seen_at} />
        </span>
      </div>
      <Capacity used={worker.attempts.length} of={worker.slots} name={worker.name} />
      <dl className={css.facts}>
        <Fact name="Agents">
          {worker.agents
            .map((agent) => [agent, worker.agent_versions?.[agent]].filter(Boolean).join(' '))
            .join(', ') || 'none'}
        </Fact>
        <Fact name="Isolation">{worker.isolation ?? 'unknown'}</Fact>
        <Fact name="Labels">
          {Object.entries(worker.labels ?? {})
            .map(([name, value]) => `${name}=${value}`)
            .join(', ') || 'none'}
        </Fact>
        <Fact name="Version">{worker.version ?? 'unknown'}</Fact>
        {worker.drain_deadline_at && (
          <Fact name="Gives back what runs">
            <Ago at={worker.drain_deadline_at} />
          </Fact>
        )}
      </dl>
      {act.error && <Failed error={act.error} />}
      <div className={css.actions}>
        {drains ? (
          <Button busy={act.isPending} onClick={() => act.mutate(() => call(undrainWorker({ path })))}>
            Take work again
          </Button>
        ) : (
          <Button
            busy={act.isPending}
            onClick={() => act.mutate(() => call(drainWorker({ path, body: {} })))}
          >
            Drain
          </Button>
        )}
        <Confirm
          title={`Retire ${worker.name}?`}
          text="It ends what it runs, takes nothing more, signs off and stops."
          verb="Retire"
          onConfirm={() => act.mutate(() => call(retireWorker({ path, body: {} })))}
        >
          <Button busy={act.isPending}>Retire</Button>
        </Confirm>
        {worker.enrolled && (
          <Confirm
            title={`Lock out ${worker.name}?`}
            text="Its token is revoked at once; what it runs is killed, and given to another worker."
            verb="Revoke its token"
            onConfirm={() => act.mutate(() => call(revokeWorker({ path })))}
          >
            <Button look="danger" busy={act.isPending}>
              Revoke
            </Button>
          </Confirm>
        )}
        {!worker.online && (
          <Button busy={act.isPending} onClick={() => act.mutate(() => call(forgetWorker({ path })))}>
            Forget
          </Button>
        )}
        <form
          className={css.slots}
          onSubmit={(event) => {
            event.preventDefault();
            const wanted = slots === '' ? null : Number(slots);
            act.mutate(() => call(setWorkerSlots({ path, body: { slots: wanted } })));
          }}
        >
          <label className="visually-hidden" htmlFor={`slots-${worker.id}`}>
            Slots of {worker.name}; empty: as many as it says itself
          </label>
          <input
            id={`slots-${worker.id}`}
            type="number"
            min={1}
            max={1000}
            placeholder={String(worker.desired_slots ?? worker.slots)}
            value={slots}
            onChange={(event) => setSlots(event.target.value)}
          />
          <Button type="submit" busy={act.isPending}>
            Set slots
          </Button>
        </form>
      </div>
      {worker.attempts.length > 0 && (
        <p className={table.muted}>
          Holds{' '}
          {worker.attempts.map((attempt) => (
            <code key={attempt}>{attempt} </code>
          ))}
        </p>
      )}
    </li>
  );
}

function Capacity({ used, of, name }: { used: number; of: number; name: string }) {
  return (
    <div className={css.capacity}>
      <meter min={0} max={Math.max(of, 1)} value={used} aria-label={`Slots in use on ${name}`} />
      <span>
        {used} / {of}
      </span>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Enrolment() {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const tokens = useQuery({
    queryKey: ['enrolment-tokens'],
    queryFn: ({ signal }) => call(listEnrolmentTokens({ signal })),
  });
  const changed = () => client.invalidateQueries({ queryKey: ['enrolment-tokens'] });
  const make = useMutation({
    mutationFn: () => call(makeEnrolmentToken({ body: name ? { name } : {} })),
    onSuccess: () => setName(''),
    onSettled: changed,
  });
  const revoke = useMutation({
    mutationFn: (id: string) => call(revokeEnrolmentToken({ path: { id } })),
    onSettled: changed,
  });
  return (
    <Section
      title="Enrolment"
      note="A token lets one worker in, within a day. The worker exchanges it for a token of its own, which can be revoked."
    >
      {tokens.error && !tokens.data && <Failed error={tokens.error} />}
      <form
        className={table.row}
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <TextField
          label="What it is for"
          placeholder="build machine 3"
          maxLength={200}
          value={name}
          onText={setName}
        />
        <Button type="submit" look="main" busy={make.isPending}>
          Make a token
        </Button>
      </form>
      {make.error && <Failed error={make.error} />}
      {make.data && (
        <>
          <Once
            label="The token, shown this once. Write it into a file on the machine."
            text={make.data.token}
          />
          <p>
            There, run <code>outwork worker --url {location.origin} --enrolment-token-file FILE</code>
          </p>
        </>
      )}
      {(tokens.data?.items.length ?? 0) > 0 && (
        <Scroll label="Tokens that enrol workers">
          <table className={table.table}>
            <thead>
              <tr>
                <th>For</th>
                <th className={table.number}>Used</th>
                <th>Ends</th>
                <th>
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {tokens.data?.items.map((token) => (
                <tr key={token.id}>
                  <td className={table.wide}>{token.name ?? token.id}</td>
                  <td className={table.number}>
                    {token.uses} / {token.max_uses}
                  </td>
                  <td>{token.revoked_at ? 'revoked' : <Ago at={token.expires_at} />}</td>
                  <td>
                    {!token.revoked_at && (
                      <Button look="quiet" busy={revoke.isPending} onClick={() => revoke.mutate(token.id)}>
                        Revoke
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      <p className={table.muted}>
        Members, their roles and tokens are in <Link to="/settings">Settings</Link>.
      </p>
    </Section>
  );
}
