import { ApiError } from '@/api/problem';
import { Button } from './Button';
import css from './Notice.module.css';

interface Props {
  error: unknown;
  reset?: () => void;
  /** It is all that the page has to say. */
  whole?: boolean;
}

/** Why something could not be shown, and what to do. */
export function Failed({ error, reset, whole }: Props) {
  const hint =
    error instanceof ApiError ? error.hint : 'Reload the page; if it comes again, tell who runs this server.';
  const Heading = whole ? 'h1' : 'h2';
  return (
    <div className={css.notice} role="alert">
      <Heading>{error instanceof Error ? error.message : String(error)}</Heading>
      {hint && <p>{hint}</p>}
      {reset && <Button onClick={reset}>Try again</Button>}
    </div>
  );
}
