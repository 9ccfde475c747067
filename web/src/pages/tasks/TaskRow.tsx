import { Link } from '@tanstack/react-router';
import { memo } from 'react';
import type { TaskSummary } from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { Plain } from '@/parts/Plain';
import { Stat } from '@/parts/Stat';
import { Status } from '@/parts/Status';
import css from './Tasks.module.css';

interface TaskRowProps {
  task: TaskSummary;
  index: number;
  count: number;
  top: number;
  onFocus: () => void;
}

/** A task in the list; the whole row leads to it. */
export const TaskRow = memo(
  function TaskRow({ task, index, count, top, onFocus }: TaskRowProps) {
    return (
      <li
        className={css.row}
        style={{ transform: `translateY(${top}px)` }}
        data-at={index}
        aria-setsize={count}
        aria-posinset={index + 1}
      >
        <span className={css.status}>
          <Status status={task.status} outcome={task.outcome} />
        </span>
        <Link to="/tasks/$id" params={{ id: task.id }} className={css.title} onFocus={onFocus}>
          <Plain text={task.title} />
        </Link>
        <span className={css.marks}>
          <Marks task={task} />
        </span>
        <span className={css.environment}>
          <Plain text={task.environment_label} />
        </span>
        <span className={css.attempts} title={`${task.attempt_total} attempts`}>
          {task.attempt_total > 1 && `×${task.attempt_total}`}
        </span>
        <span className={css.stat}>
          <Stat stat={task.summary} />
        </span>
        <span className={css.ago}>
          <Ago at={task.created_at} />
        </span>
      </li>
    );
  },
  (before, after) =>
    before.task === after.task &&
    before.top === after.top &&
    before.index === after.index &&
    before.count === after.count,
);

function Marks({ task }: { task: TaskSummary }) {
  const overlaps = task.overlap_count ?? 0;
  return (
    <>
      {task.waiting_for && task.waiting_for.reason !== 'turn' && (
        <span className={css.mark} title={task.waiting_for.text}>
          waits: {task.waiting_for.reason.replaceAll('_', ' ')}
        </span>
      )}
      {task.is_review && <span className={css.mark}>review</span>}
      {overlaps > 0 && (
        <span className={`${css.mark} ${css.warn}`} title="Other open tasks touch the same files">
          ⇄ {overlaps} {overlaps === 1 ? 'overlap' : 'overlaps'}
        </span>
      )}
      {task.approval_state === 'waiting' && <span className={`${css.mark} ${css.warn}`}>needs approval</span>}
      {task.approval_state === 'approved' && <span className={`${css.mark} ${css.good}`}>✓ approved</span>}
      {task.approval_state === 'rejected' && <span className={`${css.mark} ${css.bad}`}>✕ rejected</span>}
    </>
  );
}
