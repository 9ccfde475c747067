import { ApiError } from '@/api/problem';
import css from './Refused.module.css';

/** Why what somebody asked for was not done, beside where they asked. */
export function Refused({ error }: { error: unknown }) {
  if (!error) return null;
  return (
    <p role="alert" className={css.refused}>
      {error instanceof Error ? error.message : String(error)}{' '}
      {error instanceof ApiError && error.status !== 0 && error.hint}
      {error instanceof ApiError && error.status === 0 && 'Send it again: it is not done twice.'}
    </p>
  );
}
