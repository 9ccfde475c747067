import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Environment } from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { buttonClass } from '@/parts/Button';
import { Empty } from '@/parts/Empty';
import { Failed } from '@/parts/Failed';
import { Plain } from '@/parts/Plain';
import css from './Environments.module.css';
import { environmentsQuery } from './queries';

/** How tasks run, for each repository. */
export function Environments() {
  const environments = useQuery(environmentsQuery);
  const [search, setSearch] = useState('');
  if (environments.error && !environments.data)
    return <Failed whole error={environments.error} reset={() => void environments.refetch()} />;
  const all = environments.data ?? [];
  const wanted = search.trim().toLowerCase();
  const shown = all.filter(({ label, repository_url, id }) =>
    `${label} ${repository_url} ${id}`.toLowerCase().includes(wanted),
  );
  return (
    <div className={css.page}>
      <header className={css.head}>
        <h1>Environments</h1>
        <input
          type="search"
          className={css.search}
          placeholder="Search"
          aria-label="Search environments"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <Link to="/environments/$id" params={{ id: 'new' }} className={buttonClass('main')}>
          New environment
        </Link>
      </header>
      {environments.isPending && <p className={css.quiet}>Reading …</p>}
      {environments.data && all.length === 0 && (
        <Empty title="No environment yet.">
          <p>
            An environment says on which repository tasks run and what has to be installed.{' '}
            <Link to="/environments/$id" params={{ id: 'new' }}>
              Make one
            </Link>
            , or run <code>outwork env init</code> in a clone: it guesses the rest.
          </p>
        </Empty>
      )}
      {all.length > 0 && shown.length === 0 && <p className={css.quiet}>None is called “{search}”.</p>}
      <ul className={css.list}>
        {shown.map((environment) => (
          <li key={environment.id}>
            <Row environment={environment} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function Row({ environment }: { environment: Environment }) {
  const { id, label, repository_url, branch, agent, network, secrets = [], verify_command } = environment;
  return (
    <Link to="/environments/$id" params={{ id }} className={css.row}>
      <span className={css.label}>
        <Plain text={label} />
      </span>
      <span className={css.repository}>
        <Plain text={repository_url} />
        {branch && (
          <>
            {' · '}
            <Plain text={branch} />
          </>
        )}
      </span>
      <span className={css.facts}>
        <span>{agent.name}</span>
        <span className={network?.mode === 'on' ? css.open : ''}>{networkText(network)}</span>
        {secrets.length > 0 && (
          <span>
            {secrets.length} {secrets.length === 1 ? 'secret' : 'secrets'}
          </span>
        )}
        <span>{verify_command ? 'verifies' : 'no verification'}</span>
        <span>
          edited <Ago at={environment.updated_at} />
        </span>
      </span>
    </Link>
  );
}

export function networkText(network: Environment['network']): string {
  if (network?.mode !== 'on') return 'no network';
  if (network.preset === 'all') return '⚠ whole network';
  const listed = network.allow?.length ?? 0;
  const parts = [network.preset === 'common' && 'common hosts', listed > 0 && `${listed} listed`];
  return `⚠ ${parts.filter(Boolean).join(' and ') || 'network, no host'}`;
}
