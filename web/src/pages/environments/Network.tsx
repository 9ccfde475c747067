import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useId, useState } from 'react';
import type { Environment } from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Dialog } from '@/parts/Dialog';
import { Check, Help, Radios, TextField } from '@/parts/Field';
import { Plain } from '@/parts/Plain';
import { covers, domains, type NetworkDraft, type Problems } from './draft';
import css from './Environment.module.css';
import { type Refused, remedy, TASKS } from './journal';
import { refusedQuery } from './queries';
import { useChange } from './Secrets';

interface Props {
  environment: Environment;
  network: NetworkDraft;
  problems: Problems;
  onNetwork: (network: NetworkDraft) => void;
}

/** What the agent may reach, what that risks, and what was refused lately. */
export function Network({ environment, network, problems, onNetwork }: Props) {
  const id = useId();
  const set = (change: Partial<NetworkDraft>) => onNetwork({ ...network, ...change });
  return (
    <>
      <Radios
        label="The agent's network"
        value={network.on ? 'on' : 'off'}
        options={[
          ['off', 'Off', 'The agent reaches the model and nothing else.'],
          ['on', 'On', 'It also reaches the hosts below, through the proxy, which keeps a journal.'],
        ]}
        onPick={(value) => set({ on: value === 'on' })}
      />
      {network.on && (
        <>
          <div className={css.risk} role="note">
            <strong>⚠ What this risks</strong>
            <p>
              An agent does what text tells it, and with a network it reads text of strangers: a page, a
              package's readme, an issue. Such text can tell it to change the code in a way that is easily
              overlooked, and to send away what it can read: the code, its variables, what setup left behind.
            </p>
            <ul>
              <li>Every host that takes something in is a way out, also a registry or a source host.</li>
              <li>
                Read-only methods keep the agent from changing things, not from sending: an address can carry
                it.
              </li>
              <li>
                Allow few domains, keep secrets out of variables, read the diff as you would a stranger's.
              </li>
            </ul>
          </div>
          <Radios
            label="Hosts"
            value={network.preset}
            options={[
              ['none', 'Only those listed below', ''],
              [
                'common',
                'Common dependencies',
                'Package registries, source hosts, distributions. Anybody can publish something on them.',
              ],
              [
                'all',
                'Every public host',
                'Nothing is kept from going anywhere. Private addresses stay refused.',
              ],
            ]}
            onPick={(preset) => set({ preset })}
          />
          <div className={css.field}>
            <label htmlFor={id} className={css.name}>
              Further domains
            </label>
            <textarea
              id={id}
              className={css.secret}
              rows={4}
              spellCheck={false}
              value={network.allow}
              placeholder="api.example.com"
              aria-describedby={`${id}-help`}
              aria-invalid={problems.allow ? true : undefined}
              onChange={(event) => set({ allow: event.target.value })}
            />
            <Help
              id={`${id}-help`}
              help="One a line; each covers what is below it. No addresses, no ports."
              wrong={problems.allow}
            />
          </div>
          <Check
            label="Read only"
            help="GET, HEAD, OPTIONS, and what git fetch posts."
            checked={network.methods === 'read_only'}
            onCheck={(only) => set({ methods: only ? 'read_only' : 'all' })}
          />
          <Check
            label="Pushes with git"
            help="Over HTTP, whatever the methods."
            checked={network.git_push}
            onCheck={(git_push) => set({ git_push })}
          />
          <Check
            label="WebSockets"
            help="They are not seen through once they are open."
            checked={network.websocket}
            onCheck={(websocket) => set({ websocket })}
          />
          <TextField
            label="Ports"
            placeholder="80, 443"
            inputMode="numeric"
            help="In place of 80 and 443."
            wrong={problems.ports}
            value={network.ports}
            onText={(ports) => set({ ports })}
          />
          <Radios
            label="TLS"
            value={network.tls}
            options={[
              [
                'inspect',
                'Inspect',
                'Each request is seen and judged. Programs that trust no authority but their own fail.',
              ],
              [
                'tunnel',
                'Tunnel',
                'Passed on unread once the host is checked: pushes and WebSockets pass, too.',
              ],
            ]}
            onPick={(tls) => set({ tls })}
          />
          {problems.network && (
            <p role="alert" className={css.error}>
              {problems.network}
            </p>
          )}
          <Injections environment={environment} />
        </>
      )}
      <Journal environment={environment} network={network} onNetwork={onNetwork} />
    </>
  );
}

/** Headers that the proxy puts in, so that the agent can use a credential and never see it. */
function Injections({ environment }: { environment: Environment }) {
  const [adding, setAdding] = useState(false);
  const { injections = [] } = environment;
  const change = useChange(environment, () => setAdding(false));
  return (
    <div className={css.field}>
      <h3>Credentials that the agent can use and not see</h3>
      {injections.length > 0 && (
        <ul className={css.rows}>
          {injections.map(({ host, header }) => (
            <li key={`${host} ${header}`} className={css.row}>
              <code>
                <Plain text={header} />
              </code>
              <span className={css.quiet}>
                to <Plain text={host} />
              </span>
              <span className={css.does}>
                <Button
                  look="quiet"
                  busy={change.isPending}
                  aria-label={`Remove ${header} to ${host}`}
                  onClick={() => change.mutate({ injections: [{ host, header, value: null }] })}
                >
                  Remove
                </Button>
              </span>
            </li>
          ))}
        </ul>
      )}
      {change.error && (
        <p role="alert" className={css.error}>
          {change.error.message}
        </p>
      )}
      <Button className={css.start} onClick={() => setAdding(true)}>
        Add a header
      </Button>
      <p className={css.quiet}>
        The proxy puts it into requests to exactly that host, over TLS. The host must be allowed, too.
      </p>
      {adding && <AddInjection environment={environment} onClose={() => setAdding(false)} />}
    </div>
  );
}

function AddInjection({ environment, onClose }: { environment: Environment; onClose: () => void }) {
  const [host, setHost] = useState('');
  const [header, setHeader] = useState('authorization');
  const [value, setValue] = useState('');
  const add = useChange(environment, onClose);
  return (
    <Dialog title="Add a header" onClose={onClose}>
      <form
        className={css.form}
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate({ injections: [{ host: host.trim(), header: header.trim(), value }] });
        }}
      >
        <TextField label="Host" mono required placeholder="api.example.com" value={host} onText={setHost} />
        <TextField label="Header" mono required value={header} onText={setHeader} />
        <TextField
          label="Value"
          mono
          required
          type="password"
          autoComplete="off"
          placeholder="Bearer …"
          help="The whole value. It is encrypted and never shown again. Give one that can do little: the agent can do with that host whatever it can."
          value={value}
          onText={setValue}
        />
        {add.error && (
          <p role="alert" className={css.error}>
            {add.error.message}
          </p>
        )}
        <div className={css.does}>
          <Button type="submit" look="main" busy={add.isPending}>
            Add
          </Button>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** So many tasks more are looked through when somebody asks. */
const FURTHER = 50;

/** What the proxy refused in the newest tasks, and to allow it. */
function Journal({ environment, network, onNetwork }: Omit<Props, 'problems'>) {
  const [count, setCount] = useState(0);
  const asked = count > 0;
  const refused = useQuery({ ...refusedQuery(environment.id, count), enabled: asked });
  return (
    <div className={css.field}>
      <h3>Refused lately</h3>
      {!asked && (
        <Button className={css.start} onClick={() => setCount(TASKS)}>
          Look through the last {TASKS} tasks
        </Button>
      )}
      {asked && refused.isPending && <p className={css.quiet}>Reading the tasks' journals …</p>}
      {refused.error && (
        <p role="alert" className={css.error}>
          {refused.error.message}
        </p>
      )}
      {refused.data?.refused.length === 0 && (
        <p className={css.quiet}>Nothing was refused in the last {refused.data.tasks} tasks.</p>
      )}
      {refused.data && refused.data.refused.length > 0 && (
        <>
          <ul className={css.rows}>
            {refused.data.refused.map((one) => (
              <Entry
                key={`${one.host}:${one.port} ${one.code}`}
                refused={one}
                network={network}
                onNetwork={onNetwork}
              />
            ))}
          </ul>
          <p className={css.quiet}>
            Ask first whether the agent needs it, or was talked into it. What you allow holds from the next
            attempt on, once it is saved.
          </p>
        </>
      )}
      {refused.data?.more && (
        <Button busy={refused.isFetching} onClick={() => setCount(count + FURTHER)}>
          Look through {FURTHER} more
        </Button>
      )}
    </div>
  );
}

function Entry({
  refused,
  network,
  onNetwork,
}: {
  refused: Refused;
  network: NetworkDraft;
  onNetwork: (network: NetworkDraft) => void;
}) {
  const { host, port, code, rule, reason, method, path, count, at, task, title } = refused;
  const how = remedy(code);
  const done =
    network.on &&
    (how === 'host'
      ? covers(domains(network.allow), host)
      : how === 'methods'
        ? network.methods === 'all'
        : how === 'port'
          ? network.ports.split(/[\s,]+/).includes(String(port))
          : how !== undefined && network[how]);
  const allow = () => {
    const on = { ...network, on: true };
    if (how === 'host') onNetwork({ ...on, allow: [...domains(network.allow), host].join('\n') });
    else if (how === 'methods') onNetwork({ ...on, methods: 'all' });
    else if (how === 'port') onNetwork({ ...on, ports: `${network.ports || '80, 443'}, ${port}` });
    else if (how) onNetwork({ ...on, [how]: true });
  };
  return (
    <li className={css.row}>
      <span className={css.host}>
        <code>
          <Plain text={`${method} ${host}:${port}${path}`.trim()} />
        </code>
        <span className={css.quiet}>
          {count > 1 && `${count} times, `}
          <Ago at={at} /> in{' '}
          <Link to="/tasks/$id" params={{ id: task }}>
            <Plain text={title} />
          </Link>
          : <Plain text={reason || code} />
          {rule && (
            <>
              {' '}
              (<Plain text={rule} />)
            </>
          )}
        </span>
      </span>
      <span className={css.does}>
        {done ? (
          <span className={css.quiet}>✓ allowed by these rules</span>
        ) : how ? (
          <Button
            onClick={allow}
            aria-label={`Allow ${how === 'host' ? host : `${how.replace('_', ' ')} (${host})`}`}
          >
            Allow
          </Button>
        ) : (
          <span className={css.quiet}>only the worker's operator can allow it</span>
        )}
      </span>
    </li>
  );
}
