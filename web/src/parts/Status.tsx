import css from './Status.module.css';

/** How each status and outcome is called and looks: never by colour alone. */
const KINDS: Record<string, { text: string; look: string; mark: string }> = {
  pending: { text: 'Waiting', look: 'idle', mark: '○' },
  running: { text: 'Running', look: 'busy', mark: '◐' },
  needs_input: { text: 'Asks you', look: 'warn', mark: '?' },
  succeeded: { text: 'Done', look: 'good', mark: '✓' },
  failed: { text: 'Failed', look: 'bad', mark: '✕' },
  cancelled: { text: 'Cancelled', look: 'idle', mark: '–' },
  timed_out: { text: 'Timed out', look: 'bad', mark: '✕' },
  over_budget: { text: 'Over budget', look: 'bad', mark: '✕' },
  queued: { text: 'Waiting', look: 'idle', mark: '○' },
  leased: { text: 'Starting', look: 'busy', mark: '◐' },
  preparing: { text: 'Preparing', look: 'busy', mark: '◐' },
  setting_up: { text: 'Setting up', look: 'busy', mark: '◐' },
  collecting: { text: 'Collecting', look: 'busy', mark: '◐' },
  awaiting_input: { text: 'Asks you', look: 'warn', mark: '?' },
  completed: { text: 'Done', look: 'good', mark: '✓' },
  waiting: { text: 'Waiting', look: 'idle', mark: '○' },
  working: { text: 'Working', look: 'busy', mark: '◐' },
  done: { text: 'Done', look: 'good', mark: '✓' },
  delivered: { text: 'Delivered', look: 'good', mark: '✓' },
  failing: { text: 'Given up: it fails', look: 'bad', mark: '✕' },
  gone: { text: 'Given up: it is gone', look: 'bad', mark: '✕' },
  started: { text: 'Started', look: 'good', mark: '✓' },
  following: { text: 'Task runs', look: 'busy', mark: '◐' },
  skipped: { text: 'Skipped', look: 'idle', mark: '–' },
  refused: { text: 'Refused', look: 'bad', mark: '✕' },
  active: { text: 'Active', look: 'good', mark: '✓' },
  paused: { text: 'Paused', look: 'idle', mark: '–' },
  lost: { text: 'Lost', look: 'bad', mark: '✕' },
};

/** What a task or attempt is doing; the outcome says more than `completed` or `failed`. */
export function Status({ status, outcome }: { status: string; outcome?: string | null | undefined }) {
  const known = KINDS[outcome ?? status] ?? KINDS[status];
  const { text, look, mark } = known ?? {
    text: (outcome ?? status).replaceAll('_', ' '),
    look: 'idle',
    mark: '·',
  };
  return (
    <span className={`${css.status} ${css[look]}`}>
      <span aria-hidden="true" className={css.mark}>
        {mark}
      </span>
      {text}
    </span>
  );
}
