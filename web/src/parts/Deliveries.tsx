import { type QueryKey, useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Ago } from './Ago';
import { Button } from './Button';
import { Failed } from './Failed';
import { Section } from './Page';
import { Plain } from './Plain';
import { Refused } from './Refused';
import { Scroll } from './Scroll';
import { Status } from './Status';
import table from './Table.module.css';

const EVERY_MS = 5_000;

/** A delivery as its row shows it. */
export interface DeliveryRow {
  id: string;
  at: string;
  what: string;
  /** What names it in the other system. */
  key: string;
  state: string;
  /** It is over, and can be done again. */
  ended: boolean;
  outcome: ReactNode;
}

/** What came in or went out, the newest first; what has ended can be done again. */
export function Deliveries<T>({
  queryKey,
  read,
  row,
  again,
  note,
  empty,
  outcome,
  above,
}: {
  queryKey: QueryKey;
  read: (cursor: string, signal: AbortSignal) => Promise<{ items: T[]; next_cursor?: string | null }>;
  row: (one: T) => DeliveryRow;
  again: (id: string) => Promise<unknown>;
  note: string;
  empty: string;
  /** What the column is called that says what came of it. */
  outcome: string;
  above?: ReactNode;
}) {
  const queries = useQueryClient();
  const deliveries = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: EVERY_MS,
  });
  const replay = useMutation({
    mutationFn: again,
    onSettled: () => queries.invalidateQueries({ queryKey }),
  });
  const rows = deliveries.data?.pages.flatMap((page) => page.items.map(row)) ?? [];
  return (
    <Section title="Deliveries" note={note}>
      {above}
      {deliveries.error && !deliveries.data && (
        <Failed error={deliveries.error} reset={() => void deliveries.refetch()} />
      )}
      <Refused error={replay.error} />
      {deliveries.data && rows.length === 0 && <p>{empty}</p>}
      {rows.length > 0 && (
        <Scroll label="Deliveries">
          <table className={table.table}>
            <thead>
              <tr>
                <th>When</th>
                <th>What</th>
                <th>State</th>
                <th>{outcome}</th>
                <th>Again</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((one) => (
                <tr key={one.id}>
                  <td>
                    <Ago at={one.at} />
                  </td>
                  <td title={one.key}>
                    <Plain text={one.what} />
                  </td>
                  <td>
                    <Status status={one.state} />
                  </td>
                  <td className={table.wide}>{one.outcome}</td>
                  <td>
                    {one.ended && (
                      <Button
                        look="quiet"
                        aria-label={`Do it again: ${one.what}`}
                        busy={replay.isPending && replay.variables === one.id}
                        onClick={() => replay.mutate(one.id)}
                      >
                        Again
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {deliveries.hasNextPage && (
        <div>
          <Button busy={deliveries.isFetchingNextPage} onClick={() => void deliveries.fetchNextPage()}>
            Earlier
          </Button>
        </div>
      )}
    </Section>
  );
}

/** When it is tried next, behind what else is said of it. */
export function NextTry({ at }: { at?: string | null | undefined }) {
  if (!at) return null;
  return (
    <>
      {' · next try '}
      <Ago at={at} />
    </>
  );
}
