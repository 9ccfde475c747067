import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Empty } from '@/parts/Empty';
import type { NetworkRequest } from '@/parts/log/model';
import { Plain } from '@/parts/Plain';
import css from './Network.module.css';

/** What is drawn at once; more on demand. */
const PAGE = 300;

/** What scripts and agent asked of the network, and what the proxy decided. */
export function Network({ requests, environment }: { requests: NetworkRequest[]; environment: string }) {
  const [refusedOnly, setRefusedOnly] = useState(false);
  const [shown, setShown] = useState(PAGE);
  if (requests.length === 0) {
    return (
      <Empty title="Nothing was asked of the network.">
        <p>
          What scripts and agent ask is listed here with the rule that decided. The rules are part of the
          environment{' '}
          <Link to="/environments">
            <Plain text={environment} />
          </Link>
          .
        </p>
      </Empty>
    );
  }
  const all = refusedOnly ? requests.filter(({ verdict }) => verdict !== 'allowed') : requests;
  return (
    <>
      <label className={css.only}>
        <input
          type="checkbox"
          checked={refusedOnly}
          onChange={(event) => setRefusedOnly(event.target.checked)}
        />{' '}
        Only what was refused
      </label>
      <table className={css.table}>
        <thead>
          <tr>
            <th scope="col">Verdict</th>
            <th scope="col">Request</th>
            <th scope="col">Rule</th>
          </tr>
        </thead>
        <tbody>
          {all.slice(0, shown).map((request, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the journal only grows
            <tr key={at}>
              <td>
                <span className={request.verdict === 'allowed' ? css.allowed : css.refused}>
                  {request.verdict === 'allowed' ? '✓ allowed' : '✕ refused'}
                </span>
              </td>
              <td className={css.request}>
                {request.method} <Plain text={`${request.host}:${request.port}${request.path ?? ''}`} />
                {request.reason && (
                  <span className={css.why}>
                    <Plain text={request.reason} />
                  </span>
                )}
                {request.hint && (
                  <span className={css.why}>
                    <Plain text={request.hint} />
                  </span>
                )}
              </td>
              <td className={css.rule}>{request.rule && <Plain text={request.rule} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {all.length > shown && (
        <button type="button" className={css.more} onClick={() => setShown(shown + 10 * PAGE)}>
          {all.length - shown} more
        </button>
      )}
    </>
  );
}
