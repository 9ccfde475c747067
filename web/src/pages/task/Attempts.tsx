import type { Attempt, Turn } from '@/api/generated';
import { Plain } from '@/parts/Plain';
import { Stat } from '@/parts/Stat';
import { Status } from '@/parts/Status';
import css from './Attempts.module.css';
import { AgentName, CostText, VerifiedMark } from './evidence';

/** The attempts of a turn side by side: what each is doing, and how it compares. */
export function Attempts({
  turn,
  shown,
  onShow,
}: {
  turn: Turn;
  shown: Attempt;
  onShow: (number: number) => void;
}) {
  return (
    <ul className={css.attempts} aria-label="Attempts">
      {turn.attempts.map((attempt) => (
        <li key={attempt.id}>
          <button
            type="button"
            className={css.attempt}
            aria-current={attempt.id === shown.id ? 'true' : undefined}
            onClick={() => onShow(attempt.number)}
          >
            <span className={css.row}>
              <b>Attempt {attempt.number}</b>
              <Standing turn={turn} attempt={attempt} />
              <Status
                status={attempt.state}
                outcome={attempt.failure?.code === 'timed_out' ? 'timed_out' : null}
              />
            </span>
            <span className={css.row}>
              {attempt.agent && (
                <span className={css.quiet}>
                  <AgentName agent={attempt.agent} />
                </span>
              )}
              <VerifiedMark verification={attempt.verification} />
              <Stat stat={attempt.diff} />
              <CostText cost={attempt.cost} />
            </span>
            {(attempt.failure ?? attempt.message ?? attempt.question) && (
              <span className={css.said}>
                <Plain
                  text={(attempt.question ?? attempt.failure?.message ?? attempt.message ?? '').slice(0, 300)}
                />
              </span>
            )}
          </button>
        </li>
      ))}
    </ul>
  );
}

function Standing({ turn, attempt }: { turn: Turn; attempt: Attempt }) {
  if (turn.chosen?.attempt === attempt.number) return <span className={css.best}>★ chosen</span>;
  if (turn.ranking?.best === attempt.number) return <span className={css.best}>★ best</span>;
  const place = turn.ranking?.places.find((place) => place.attempt === attempt.number)?.place;
  return place === undefined ? null : <span className={css.quiet}>place {place}</span>;
}
