import type { DiffStat } from '@/api/generated';
import { short } from './format';
import css from './Stat.module.css';

/** How large a diff is, in few characters; nothing where there is none. */
export function Stat({ stat }: { stat: DiffStat | null | undefined }) {
  if (!stat || (stat.files_changed === 0 && stat.lines_added === 0 && stat.lines_removed === 0)) return null;
  const words = `${stat.files_changed} files, ${stat.lines_added} lines added, ${stat.lines_removed} removed`;
  return (
    <span className={css.stat} title={words}>
      <span aria-hidden="true">
        <span className={css.added}>+{short(stat.lines_added)}</span>{' '}
        <span className={css.removed}>−{short(stat.lines_removed)}</span>
      </span>
      <span className="visually-hidden">{words}</span>
    </span>
  );
}
