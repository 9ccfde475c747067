import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '@/api/call';
import { type Environment, resetCache } from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Dialog } from '@/parts/Dialog';
import { Plain } from '@/parts/Plain';
import { size } from './draft';
import css from './Environment.module.css';
import { cacheQuery } from './queries';

/** The snapshots that tasks start from, and to have them built anew. */
export function Cache({ environment }: { environment: Environment }) {
  const cache = useQuery(cacheQuery);
  const [asking, setAsking] = useState(false);
  const snapshots = cache.data?.snapshots.filter((one) => one.environment_id === environment.id) ?? [];
  const use = cache.data?.environments.find((one) => one.environment_id === environment.id);
  return (
    <>
      {cache.error && !cache.data && (
        <p role="alert" className={css.error}>
          {cache.error.message}
        </p>
      )}
      {use && (
        <p className={css.quiet}>
          {use.hits} {use.hits === 1 ? 'attempt' : 'attempts'} found a snapshot, {use.builds} had to build
          one.
        </p>
      )}
      {cache.data && snapshots.length === 0 && (
        <p className={css.quiet}>
          No snapshot: the next task runs the setup script and keeps what comes of it.
        </p>
      )}
      {snapshots.length > 0 && (
        <ul className={css.rows}>
          {snapshots.map((one) => (
            <li key={`${one.worker} ${one.key}`} className={css.row}>
              <span className={css.host}>
                <span>
                  <code title={one.key}>{one.key.slice(0, 12)}</code> on <Plain text={one.worker_name} />,{' '}
                  {size(one.size_bytes)}
                </span>
                <span className={css.quiet}>
                  built <Ago at={one.built_at} /> (<Plain text={one.reason} />
                  ), used {one.hits} {one.hits === 1 ? 'time' : 'times'}
                  {one.in_use > 0 && `, in use by ${one.in_use}`}
                </span>
              </span>
            </li>
          ))}
        </ul>
      )}
      <Button className={css.start} onClick={() => setAsking(true)}>
        Reset the cache
      </Button>
      {asking && <Reset environment={environment} onClose={() => setAsking(false)} />}
    </>
  );
}

function Reset({ environment, onClose }: { environment: Environment; onClose: () => void }) {
  const queries = useQueryClient();
  const reset = useMutation({
    mutationFn: () => call(resetCache({ body: { environment: environment.id } })),
    onSettled: () => queries.invalidateQueries({ queryKey: cacheQuery.queryKey }),
  });
  if (reset.data)
    return (
      <Dialog title="The cache was reset" onClose={onClose}>
        <p>
          {reset.data.snapshots === 0
            ? 'There was no snapshot.'
            : `${reset.data.snapshots} ${reset.data.snapshots === 1 ? 'snapshot' : 'snapshots'}, ${size(reset.data.size_bytes)}, will go as soon as nobody uses them.`}
        </p>
        <div className={css.does}>
          <Button look="main" onClick={onClose}>
            Close
          </Button>
        </div>
      </Dialog>
    );
  return (
    <Dialog title={`Reset the cache of ${environment.label}?`} onClose={onClose}>
      <p>
        The next task runs the setup script anew, for everyone in the workspace. Tasks that run now go on.
      </p>
      {reset.error && (
        <p role="alert" className={css.error}>
          {reset.error.message}
        </p>
      )}
      <div className={css.does}>
        <Button look="main" busy={reset.isPending} onClick={() => reset.mutate()}>
          Reset
        </Button>
        <Button look="quiet" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </Dialog>
  );
}
