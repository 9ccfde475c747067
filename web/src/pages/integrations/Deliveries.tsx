import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '@/api/call';
import { type Delivery, listDeliveries, replayDelivery } from '@/api/generated';
import { meQuery } from '@/app/session';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Failed } from '@/parts/Failed';
import { Segments } from '@/parts/Field';
import { Section } from '@/parts/Page';
import { Plain } from '@/parts/Plain';
import { Refused } from '@/parts/Refused';
import { Scroll } from '@/parts/Scroll';
import { Status } from '@/parts/Status';
import table from '@/parts/Table.module.css';

const EVERY_MS = 5_000;
const DIRECTIONS = { in: 'Came in', out: 'Went out' } as const;

/** What came in from the other system, and went out to it, the newest first. */
export function Deliveries({ id }: { id: string }) {
  const queries = useQueryClient();
  const isAdmin = useQuery(meQuery).data?.role === 'admin';
  const [direction, setDirection] = useState<keyof typeof DIRECTIONS>('in');
  const deliveries = useInfiniteQuery({
    queryKey: ['integrations', id, 'deliveries', direction],
    queryFn: ({ pageParam, signal }) =>
      call(
        listDeliveries({
          path: { id },
          query: { direction, limit: 50, ...(pageParam && { cursor: pageParam }) },
          signal,
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: EVERY_MS,
  });
  const replay = useMutation({
    mutationFn: (job: string) => call<unknown>(replayDelivery({ path: { id, job } })),
    onSettled: () => queries.invalidateQueries({ queryKey: ['integrations', id, 'deliveries'] }),
  });
  const items = deliveries.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Section title="Deliveries" note="Each is done once, however often it comes and whatever dies meanwhile.">
      <Segments
        label="Which"
        values={Object.keys(DIRECTIONS) as (keyof typeof DIRECTIONS)[]}
        value={direction}
        onChange={setDirection}
        text={(one) => DIRECTIONS[one]}
      />
      {deliveries.error && !deliveries.data && (
        <Failed error={deliveries.error} reset={() => void deliveries.refetch()} />
      )}
      <Refused error={replay.error} />
      {deliveries.data && items.length === 0 && (
        <p>{direction === 'in' ? 'Nothing has come in yet.' : 'Nothing has gone out yet.'}</p>
      )}
      {items.length > 0 && (
        <Scroll label="Deliveries">
          <table className={table.table}>
            <thead>
              <tr>
                <th>When</th>
                <th>What</th>
                <th>State</th>
                <th>What came of it</th>
                {isAdmin && <th>Again</th>}
              </tr>
            </thead>
            <tbody>
              {items.map((delivery) => (
                <tr key={delivery.id}>
                  <td>
                    <Ago at={delivery.created_at} />
                  </td>
                  <td title={delivery.key}>
                    <Plain text={delivery.kind} />
                  </td>
                  <td>
                    <Status status={delivery.state} />
                  </td>
                  <td className={table.wide}>
                    <Outcome delivery={delivery} />
                  </td>
                  {isAdmin && (
                    <td>
                      {delivery.ended_at && (
                        <Button
                          look="quiet"
                          aria-label={`Do it again: ${delivery.kind}`}
                          busy={replay.isPending && replay.variables === delivery.id}
                          onClick={() => replay.mutate(delivery.id)}
                        >
                          Again
                        </Button>
                      )}
                    </td>
                  )}
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

function Outcome({ delivery: { message, tries, due_at } }: { delivery: Delivery }) {
  return (
    <>
      {message && <Plain text={message} />}
      {tries > 0 && ` · put off ${tries === 1 ? 'once' : `${tries} times`}`}
      {due_at && (
        <>
          {' · next try '}
          <Ago at={due_at} />
        </>
      )}
    </>
  );
}
