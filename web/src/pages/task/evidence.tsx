import type { AttemptAgent, Cost, Verification } from '@/api/generated';
import { money } from '@/parts/format';
import { Plain } from '@/parts/Plain';
import css from './evidence.module.css';

const WORDS: Record<string, { mark: string; text: string; look: string }> = {
  passed: { mark: '✓', text: 'verified', look: 'good' },
  failed: { mark: '✕', text: 'verification failed', look: 'bad' },
  timed_out: { mark: '✕', text: 'verification too slow', look: 'bad' },
  not_run: { mark: '–', text: 'not verified', look: 'idle' },
};

/** What the environment's own command says of the work, in two words. */
export function VerifiedMark({ verification }: { verification: Verification | null | undefined }) {
  if (!verification) return null;
  const { tests, with_original_tests: original } = verification;
  const cheated = original && original.state !== 'passed';
  const known = WORDS[verification.state] ?? {
    mark: '·',
    text: verification.state.replaceAll('_', ' '),
    look: 'idle',
  };
  if (cheated) return <span className={css.bad}>✕ passes only with its own tests</span>;
  return (
    <span className={css[known.look]}>
      {known.mark} {tests ? `${tests.passed} of ${tests.passed + tests.failed} tests` : known.text}
    </span>
  );
}

/** Which agent it was, and which model it asked for. */
export function AgentName({ agent: { name, model } }: { agent: AttemptAgent }) {
  return <Plain text={model ? `${name} · ${model}` : name} />;
}

/** What it cost; what is not known is not shown as nothing. */
export function CostText({ cost }: { cost: Cost | null | undefined }) {
  if (!cost) return null;
  return (
    <span
      className={css.idle}
      title={`${cost.amount} ${cost.currency}${cost.is_lower_bound ? ', at least: some answers did not say what they used' : ''}`}
    >
      {cost.is_lower_bound && '≥ '}
      {money(cost.amount)} {cost.currency}
    </span>
  );
}
