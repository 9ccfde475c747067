import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useId, useMemo, useRef, useState } from 'react';
import type { TaskSummary } from '@/api/generated';
import { queryClient } from '@/api/queries';
import { environmentsQuery } from '@/api/tasks';
import { Dialog } from '@/parts/Dialog';
import { Plain } from '@/parts/Plain';
import { Status } from '@/parts/Status';
import { bindings } from './keys';
import { closest } from './match';
import css from './Palette.module.css';

interface Entry {
  name: string;
  group: string;
  text: string;
  keys?: string;
  status?: TaskSummary;
  run: () => void;
}

/** Everything that can be done or opened, by typing a part of its name. */
export function Palette({ onClose }: { onClose: () => void }) {
  const [wanted, setWanted] = useState('');
  const [at, setAt] = useState(0);
  const list = useId();
  const box = useRef<HTMLDivElement>(null);
  const all = useEntries();
  const shown = useMemo(
    () => closest(all, wanted, ({ text, group }) => `${text} ${group}`, 60),
    [all, wanted],
  );
  const current = Math.min(at, shown.length - 1);
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    // The dialog gives the focus back first; what is run may want it elsewhere.
    setTimeout(entry.run);
  };
  const move = (to: number) => {
    const next = (to + shown.length) % Math.max(1, shown.length);
    setAt(next);
    box.current?.querySelectorAll('[role="option"]')[next]?.scrollIntoView({ block: 'nearest' });
  };
  return (
    <Dialog title="Commands" onClose={onClose} wide bare>
      <input
        data-first
        className={css.input}
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={shown[current] ? `${list}-${current}` : undefined}
        aria-label="Command, page, task or environment"
        placeholder="Command, page, task or environment"
        value={wanted}
        onChange={(event) => {
          setWanted(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') move(current + 1);
          else if (event.key === 'ArrowUp') move(current - 1);
          else if (event.key === 'Enter' && !event.nativeEvent.isComposing) run(shown[current]);
          else return;
          event.preventDefault();
        }}
      />
      <div ref={box} id={list} role="listbox" aria-label="What was found" className={css.list}>
        {shown.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents lint/a11y/useFocusableInteractive: the input has the focus and the keys
          <div
            key={`${entry.group} ${entry.name}`}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === current}
            className={css.entry}
            onClick={() => run(entry)}
          >
            <span className={css.group}>{entry.group}</span>
            <span className={css.text}>
              <Plain text={entry.text} />
            </span>
            {entry.status && <Status status={entry.status.status} outcome={entry.status.outcome} />}
            {entry.keys && <kbd>{entry.keys}</kbd>}
          </div>
        ))}
        {shown.length === 0 && <p className={css.none}>Nothing is called that.</p>}
      </div>
    </Dialog>
  );
}

/** The tasks that this page has read already, the newest first. */
function knownTasks(): TaskSummary[] {
  const found = new Map<string, TaskSummary>();
  for (const [, data] of queryClient.getQueriesData<{ pages: { items: TaskSummary[] }[] }>({
    queryKey: ['tasks'],
  })) {
    for (const task of data?.pages.flatMap(({ items }) => items) ?? []) found.set(task.id, task);
  }
  return [...found.values()].sort((a, b) => b.created_at.localeCompare(a.created_at)).slice(0, 2_000);
}

function useEntries(): Entry[] {
  const navigate = useNavigate();
  const environments = useQuery(environmentsQuery);
  return useMemo(() => {
    const acts = bindings().map(({ group, keys, act }) => ({
      name: `${keys} ${act.text}`,
      group,
      text: act.text,
      keys,
      run: act.run,
    }));
    const tasks = knownTasks().map((task) => ({
      name: task.id,
      group: 'Open task',
      text: task.title,
      status: task,
      run: () => void navigate({ to: '/tasks/$id', params: { id: task.id } }),
    }));
    const places = (environments.data ?? []).map(({ id, label }) => ({
      name: id,
      group: 'Tasks of',
      text: label,
      run: () => void navigate({ to: '/', search: { environment: label } }),
    }));
    return [...acts, ...tasks.slice(0, 8), ...places, ...tasks.slice(8)];
  }, [environments.data, navigate]);
}
