import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '@/api/call';
import { getUsage, type UsageBy, type UsageSum } from '@/api/generated';
import { Empty } from '@/parts/Empty';
import { Failed } from '@/parts/Failed';
import { Segments } from '@/parts/Field';
import { Page, Waits } from '@/parts/Page';
import { Scroll } from '@/parts/Scroll';
import table from '@/parts/Table.module.css';
import css from './Usage.module.css';

const BY: Record<UsageBy, string> = {
  day: 'Day',
  environment: 'Environment',
  member: 'Member',
  agent: 'Agent',
};
const SPANS = [7, 30, 90] as const;
const DAY_MS = 24 * 60 * 60 * 1000;

/** What was used and what it cost, as far as that is known: an unknown cost is never shown as none. */
export function Usage() {
  const [by, setBy] = useState<UsageBy>('day');
  const [days, setDays] = useState<(typeof SPANS)[number]>(30);
  const usage = useQuery({
    queryKey: ['usage', by, days],
    queryFn: ({ signal }) => {
      const from = new Date(Date.now() - days * DAY_MS).toISOString();
      return call(getUsage({ query: { by, from }, signal }));
    },
    placeholderData: keepPreviousData,
  });
  const most = Math.max(1, ...(usage.data?.items ?? []).map((item) => tokensOf(item)));
  return (
    <Page title="Usage">
      <div className={css.choose}>
        <Segments
          label="By"
          values={Object.keys(BY) as UsageBy[]}
          value={by}
          onChange={setBy}
          text={(one) => BY[one]}
        />
        <Segments label="Over" values={SPANS} value={days} onChange={setDays} text={(one) => `${one} days`} />
      </div>
      {usage.isPending && <Waits />}
      {usage.error && !usage.data && <Failed error={usage.error} reset={() => usage.refetch()} />}
      {usage.data && usage.data.items.length === 0 && (
        <Empty title={`No attempt has ended in the last ${days} days.`} />
      )}
      {usage.data && usage.data.items.length > 0 && (
        <Scroll label="What was used">
          <table className={table.table}>
            <thead>
              <tr>
                <th>{BY[usage.data.by]}</th>
                <th className={table.number}>Tasks</th>
                <th className={table.number}>Attempts</th>
                <th className={table.number}>In sandboxes</th>
                <th className={table.number}>Tokens</th>
                <th>
                  <span className="visually-hidden">Share of the largest</span>
                </th>
                <th className={table.number}>Cost</th>
              </tr>
            </thead>
            <tbody>
              {usage.data.items.map((item) => (
                <tr key={item.key}>
                  <td className={table.wide}>{item.label}</td>
                  <Sum sum={item} />
                  <td className={css.share}>
                    <meter
                      min={0}
                      max={most}
                      value={tokensOf(item)}
                      aria-label={`Tokens of ${item.label}, against ${most.toLocaleString()}`}
                    />
                  </td>
                  <td className={table.number}>
                    <Cost sum={item} />
                  </td>
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr className={css.total}>
                <td>All</td>
                <Sum sum={usage.data.total} />
                <td />
                <td className={table.number}>
                  <Cost sum={usage.data.total} />
                </td>
              </tr>
            </tfoot>
          </table>
        </Scroll>
      )}
      <p className={css.note}>
        Tokens are counted by the gateway from the model's own answers. Costs follow from the prices set with
        the model, as they were when an attempt ended.
      </p>
    </Page>
  );
}

const tokensOf = (sum: UsageSum) => sum.tokens.input + sum.tokens.output;

function Sum({ sum }: { sum: UsageSum }) {
  return (
    <>
      <td className={table.number}>{sum.tasks.toLocaleString()}</td>
      <td className={table.number}>{sum.attempts.toLocaleString()}</td>
      <td className={table.number}>{time(sum.sandbox_seconds)}</td>
      <td className={table.number}>
        <span title={`${sum.tokens.input.toLocaleString()} in, ${sum.tokens.output.toLocaleString()} out`}>
          {tokensOf(sum).toLocaleString()}
        </span>
      </td>
    </>
  );
}

function Cost({ sum }: { sum: UsageSum }) {
  const costs = sum.cost ? [sum.cost] : (sum.costs ?? []);
  if (costs.length === 0)
    return <span className={table.muted}>{sum.unknown_cost_attempts > 0 ? 'unknown' : 'none'}</span>;
  const text = costs.map(({ amount, currency }) => `${amount} ${currency}`).join(' + ');
  return sum.unknown_cost_attempts > 0 ? (
    <span title={`The cost of ${sum.unknown_cost_attempts} attempts is not known.`}>at least {text}</span>
  ) : (
    text
  );
}

/** `90` as `1 min 30 s`. */
export function time(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours > 0) return `${hours.toLocaleString()} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${seconds % 60} s`;
  return `${seconds} s`;
}
