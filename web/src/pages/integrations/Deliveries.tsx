import { useState } from 'react';
import { call } from '@/api/call';
import { type Delivery, listDeliveries, replayDelivery } from '@/api/generated';
import { type DeliveryRow, Deliveries as List, NextTry } from '@/parts/Deliveries';
import { Segments } from '@/parts/Field';
import { Plain } from '@/parts/Plain';

const DIRECTIONS = { in: 'Came in', out: 'Went out' } as const;

/** What came in from the other system, and went out to it. */
export function Deliveries({ id }: { id: string }) {
  const [direction, setDirection] = useState<keyof typeof DIRECTIONS>('in');
  return (
    <List
      queryKey={['integrations', id, 'deliveries', direction]}
      read={(cursor, signal) =>
        call(
          listDeliveries({
            path: { id },
            query: { direction, limit: 50, ...(cursor && { cursor }) },
            signal,
          }),
        )
      }
      row={row}
      again={(job) => call<unknown>(replayDelivery({ path: { id, job } }))}
      note="Each is done once, however often it comes and whatever dies meanwhile."
      empty={direction === 'in' ? 'Nothing has come in yet.' : 'Nothing has gone out yet.'}
      outcome="What came of it"
      above={
        <Segments
          label="Which"
          values={Object.keys(DIRECTIONS) as (keyof typeof DIRECTIONS)[]}
          value={direction}
          onChange={setDirection}
          text={(one) => DIRECTIONS[one]}
        />
      }
    />
  );
}

const row = ({
  id,
  created_at,
  kind,
  key,
  state,
  ended_at,
  message,
  tries,
  due_at,
}: Delivery): DeliveryRow => ({
  id,
  at: created_at,
  what: kind,
  key,
  state,
  ended: Boolean(ended_at),
  outcome: (
    <>
      {message && <Plain text={message} />}
      {tries > 0 && ` · put off ${tries === 1 ? 'once' : `${tries} times`}`}
      <NextTry at={due_at} />
    </>
  ),
});
