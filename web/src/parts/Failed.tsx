import { ApiError } from '@/api/problem';
import { Button } from './Button';
import css from './Notice.module.css';

/** Why something could not be shown, and what to do. */
export function Failed({ error, reset }: { error: unknown; reset?: () => void }) {
  const hint =
    error instanceof ApiError ? error.hint : 'Reload the page; if it comes again, tell who runs this server.';
  return (
    <div className={css.notice} role="alert">
      <h2>{error instanceof Error ? error.message : String(error)}</h2>
      {hint && <p>{hint}</p>}
      {reset && <Button onClick={reset}>Try again</Button>}
    </div>
  );
}
