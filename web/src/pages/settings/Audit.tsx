import { useInfiniteQuery } from '@tanstack/react-query';
import { call } from '@/api/call';
import { listAudit } from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Failed } from '@/parts/Failed';
import { Section } from '@/parts/Page';
import { Plain } from '@/parts/Plain';
import { Scroll } from '@/parts/Scroll';
import table from '@/parts/Table.module.css';

/** Who changed what, the newest first. */
export function Audit() {
  const entries = useInfiniteQuery({
    queryKey: ['audit'],
    queryFn: ({ pageParam, signal }) =>
      call(listAudit({ query: { limit: 50, ...(pageParam && { cursor: pageParam }) }, signal })),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const items = entries.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Section title="Audit log" note="Every write of a member, kept before it is answered.">
      {entries.error && !entries.data && <Failed error={entries.error} reset={() => entries.refetch()} />}
      {entries.data && items.length === 0 && <p>Nothing has been changed yet.</p>}
      {items.length > 0 && (
        <Scroll label="The audit log">
          <table className={table.table}>
            <thead>
              <tr>
                <th>When</th>
                <th>Who</th>
                <th>What</th>
              </tr>
            </thead>
            <tbody>
              {items.map((entry) => (
                <tr key={entry.id}>
                  <td>
                    <Ago at={entry.at} />
                  </td>
                  <td>
                    <Plain text={entry.by.name} />
                  </td>
                  <td className={table.wide}>
                    <code title={entry.action}>
                      {entry.action.split(' ')[0]} <Plain text={entry.object.replace('/api/v1', '')} />
                    </code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {entries.hasNextPage && (
        <div>
          <Button busy={entries.isFetchingNextPage} onClick={() => entries.fetchNextPage()}>
            Earlier
          </Button>
        </div>
      )}
    </Section>
  );
}
