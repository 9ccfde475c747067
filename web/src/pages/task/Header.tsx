import { Link } from '@tanstack/react-router';
import { DropdownMenu } from 'radix-ui';
import { useEffect, useState } from 'react';
import type { Attempt, Task, Turn } from '@/api/generated';
import { isOver } from '@/api/tasks';
import { useKeys } from '@/app/keys/keys';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { copy } from '@/parts/Copy';
import { Dialog, DialogEnd } from '@/parts/Dialog';
import menu from '@/parts/Menu.module.css';
import { Plain } from '@/parts/Plain';
import { Refused } from '@/parts/Refused';
import { Status } from '@/parts/Status';
import { newKey, useCancel, useMay, useRetry } from './actions';
import css from './Header.module.css';
import { PullRequest } from './PullRequest';
import { hasDiff, hasEnded } from './turns';

/** What the task is and what can be done with it. */
export function Header({ task, turn, attempt }: { task: Task; turn: Turn; attempt: Attempt }) {
  const [asks, setAsks] = useState<'cancel' | 'publish'>();
  const [told, setTold] = useState('');
  useEffect(() => {
    if (told === '') return;
    const timer = setTimeout(() => setTold(''), 3_000);
    return () => clearTimeout(timer);
  }, [told]);
  const over = isOver(task);
  const newest = task.turns.at(-1) === turn;
  const retry = useRetry(task.id);
  const again = (more: object) => retry.mutate({ key: newKey(), attempts: turn.attempts.length, ...more });
  const may = useMay();
  const publishable = may && over && hasDiff(attempt);
  const cancellable = may && !over;
  useKeys('Task', {
    x: { text: cancellable ? 'Cancel the task' : '', run: () => setAsks('cancel') },
    p: { text: publishable ? 'Pull request' : '', run: () => setAsks('publish') },
    y: {
      text: 'Copy the command that applies it',
      run: () =>
        void copy(applyCommand(task, turn, attempt)).then(() =>
          setTold('Copied: the command that applies it.'),
        ),
    },
  });
  return (
    <header className={css.header}>
      <div className={css.top}>
        <h1 className={css.title}>
          <Plain text={task.title} />
        </h1>
        <div className={css.actions}>
          {cancellable && (
            <Button look="danger" onClick={() => setAsks('cancel')}>
              Cancel
            </Button>
          )}
          {may && over && newest && (
            <DropdownMenu.Root modal={false}>
              <DropdownMenu.Trigger asChild>
                <Button busy={retry.isPending}>Retry ▾</Button>
              </DropdownMenu.Trigger>
              <DropdownMenu.Portal>
                <DropdownMenu.Content className={menu.menu} align="end" sideOffset={4}>
                  <DropdownMenu.Item className={menu.item} onSelect={() => again({ from_start: true })}>
                    From where the turn began
                  </DropdownMenu.Item>
                  <DropdownMenu.Item
                    className={menu.item}
                    disabled={!hasDiff(attempt)}
                    onSelect={() => again({ attempt: attempt.number })}
                  >
                    From the work of attempt {attempt.number}
                  </DropdownMenu.Item>
                </DropdownMenu.Content>
              </DropdownMenu.Portal>
            </DropdownMenu.Root>
          )}
          {publishable && (
            <Button look="main" onClick={() => setAsks('publish')}>
              {task.pull_request ? 'Update pull request' : 'Pull request'}
            </Button>
          )}
        </div>
      </div>
      <p className={css.facts}>
        <Status status={task.status} outcome={task.outcome} />
        {task.waiting_for && task.status === 'pending' && (
          <span>
            <Plain text={task.waiting_for.text} />
          </span>
        )}
        <Link to="/" search={{ environment: task.environment_label }}>
          <Plain text={task.environment_label} />
        </Link>
        <span className={css.mono}>
          {task.branch && (
            <>
              <Plain text={task.branch} /> @{' '}
            </>
          )}
          <span title={task.commit}>{task.commit.slice(0, 9)}</span>
        </span>
        {task.is_review && <span>Review</span>}
        {task.priority && task.priority !== 'normal' && <span>{task.priority} priority</span>}
        <span>
          {task.created_by && (
            <>
              <Plain text={task.created_by.name} />,{' '}
            </>
          )}
          <Ago at={task.created_at} />
        </span>
        {task.pull_request && (
          <a href={safeUrl(task.pull_request.url)} rel="noreferrer">
            Pull request #{task.pull_request.number} ({task.pull_request.state})
          </a>
        )}
      </p>
      <p role="status" className={css.told}>
        {told}
      </p>
      <Refused error={retry.error} />
      {asks === 'cancel' && (
        <Cancel task={task} turn={turn} attempt={attempt} onClose={() => setAsks(undefined)} />
      )}
      {asks === 'publish' && (
        <PullRequest task={task} turn={turn} attempt={attempt} onClose={() => setAsks(undefined)} />
      )}
    </header>
  );
}

/** Addresses come from forges and servers of others: only those that open a page are links. */
export const safeUrl = (url: string) => (/^https?:\/\//i.test(url) ? url : undefined);

export function applyCommand(task: Task, turn: Turn, attempt: Attempt): string {
  const which = turn.attempts.length > 1 ? ` --attempt ${attempt.number}` : '';
  const when = task.turns.at(-1) === turn ? '' : ` --turn ${turn.number}`;
  return `outwork apply ${task.id}${when}${which}`;
}

interface CancelProps {
  task: Task;
  turn: Turn;
  attempt: Attempt;
  onClose: () => void;
}

function Cancel({ task, turn, attempt, onClose }: CancelProps) {
  const cancel = useCancel(task.id);
  const several = turn.attempts.filter((attempt) => !hasEnded(attempt)).length > 1;
  const act = (which: string | undefined) => cancel.mutate(which, { onSuccess: onClose });
  return (
    <Dialog title="Cancel this task?" onClose={onClose}>
      <p>The agents are stopped. What they changed until now is kept and can be read, applied and retried.</p>
      <Refused error={cancel.error} />
      <DialogEnd>
        <Button onClick={onClose}>Let it run</Button>
        {several && !hasEnded(attempt) && (
          <Button look="danger" busy={cancel.isPending} onClick={() => act(attempt.id)}>
            Cancel attempt {attempt.number} only
          </Button>
        )}
        <Button look="danger" busy={cancel.isPending} onClick={() => act(undefined)}>
          Cancel the task
        </Button>
      </DialogEnd>
    </Dialog>
  );
}
