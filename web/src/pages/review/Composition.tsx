import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { call } from '@/api/call';
import { compose, type NewComposition, type PartsOfAttempt } from '@/api/generated';
import { ApiError } from '@/api/problem';
import { Button } from '@/parts/Button';
import { Dialog } from '@/parts/Dialog';
import { useBottom } from './bottom';
import css from './Composition.module.css';
import type { Count } from './selection';
import { plain } from './visible';

interface Props {
  taskId: string;
  turn: number;
  count: Count;
  /** The other attempt's number, where two are compared. */
  other: number | undefined;
  parts: () => PartsOfAttempt[];
  onReset: () => void;
}

/** What was chosen, and to make a result of it. */
export function Composition({ taskId, turn, count, other, parts, onReset }: Props) {
  const queries = useQueryClient();
  const bottom = useBottom();
  const verify = useId();
  const [verified, setVerified] = useState(true);
  const [shown, setShown] = useState<string>();
  const send = (body: NewComposition) =>
    call(compose({ path: { id: taskId }, body, parseAs: body.dry_run ? 'text' : 'auto' }));
  const preview = useMutation({
    mutationFn: () => send({ turn, parts: parts(), dry_run: true }),
    // A dry run answers with the patch.
    onSuccess: (patch) => setShown(patch as string),
  });
  const make = useMutation({
    mutationFn: () => send({ turn, parts: parts(), verify: verified }),
    onSuccess: async () => {
      onReset();
      await queries.invalidateQueries({ queryKey: ['task', taskId] });
    },
  });
  const error = make.error ?? preview.error;
  const text = [
    `${count.taken} ${count.taken === 1 ? 'part' : 'parts'} taken`,
    count.left > 0 && `${count.left} left out`,
    count.added > 0 && `${count.added} from attempt ${other}`,
  ]
    .filter(Boolean)
    .join(', ');
  return (
    <section className={css.bar} aria-label="What you take" data-bar="" style={{ insetBlockEnd: bottom }}>
      <p className={css.text} aria-live="polite">
        <strong>{text}</strong>
        {count.taken === 0 && ' — take at least one.'}
      </p>
      {error && (
        <p role="alert" className={css.error}>
          {plain(error.message)} {error instanceof ApiError && plain(error.hint ?? '')}
        </p>
      )}
      <span className={css.does}>
        <label htmlFor={verify} className={css.verify}>
          <input
            id={verify}
            type="checkbox"
            checked={verified}
            onChange={(event) => setVerified(event.target.checked)}
          />
          Verify it
        </label>
        <Button busy={preview.isPending} disabled={count.taken === 0} onClick={() => preview.mutate()}>
          Show the patch
        </Button>
        <Button look="main" busy={make.isPending} disabled={count.taken === 0} onClick={() => make.mutate()}>
          Make it the result
        </Button>
        <Button look="quiet" onClick={onReset}>
          Undo
        </Button>
      </span>
      {shown !== undefined && (
        <Dialog title="The patch that this makes" wide onClose={() => setShown(undefined)}>
          <pre className={css.patch}>{plainLines(shown) || 'Nothing: what is taken changes nothing.'}</pre>
          <div className={css.does}>
            <Button onClick={() => navigator.clipboard?.writeText(shown)}>Copy</Button>
            <Button look="main" onClick={() => setShown(undefined)}>
              Close
            </Button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

/** At most so much of a patch is shown; it is copied whole. */
const SHOWN = 200_000;

function plainLines(patch: string): string {
  const lines = patch.slice(0, SHOWN).split('\n').map(plain).join('\n');
  return patch.length > SHOWN ? `${lines}\n… ${patch.length - SHOWN} more characters` : lines;
}
