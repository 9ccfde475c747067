import type { TaskSummary } from '@/api/generated';

export type StatusFilter = 'all' | 'asks' | 'active' | 'done' | 'failed';

export const STATUS_FILTERS: Record<StatusFilter, string> = {
  all: 'All',
  asks: 'Asks you',
  active: 'Active',
  done: 'Done',
  failed: 'Failed',
};

const IS: Record<StatusFilter, (status: string) => boolean> = {
  all: () => true,
  asks: (status) => status === 'needs_input',
  active: (status) => status === 'pending' || status === 'running' || status === 'needs_input',
  done: (status) => status === 'completed',
  failed: (status) => status === 'failed',
};

export interface Filter {
  status: StatusFilter;
  text: string;
}

/** Those that fit; every word has to stand in the title, the environment's label or the id. */
export function filtered(tasks: readonly TaskSummary[], { status, text }: Filter): readonly TaskSummary[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (status === 'all' && words.length === 0) return tasks;
  return tasks.filter((task) => {
    if (!IS[status](task.status)) return false;
    const hay = `${task.title}\n${task.environment_label}\n${task.id}`.toLowerCase();
    return words.every((word) => hay.includes(word));
  });
}

export interface Pages {
  pages: { items: TaskSummary[]; next_cursor?: string | null }[];
  pageParams: unknown[];
}

/**
 * The pages with what a newer reading of the first page, or of single tasks, says. Pages follow cursors, so that new tasks go in front and nothing of
 * what follows moves; what did not change stays the same object.
 */
export function merged(before: Pages, news: readonly TaskSummary[]): Pages {
  const fresh = new Map(news.map((task) => [task.id, task]));
  const known = new Set<string>();
  let changed = false;
  const pages = before.pages.map((page) => {
    let own = false;
    const items = page.items.map((task) => {
      known.add(task.id);
      const now = fresh.get(task.id);
      if (!now || JSON.stringify(now) === JSON.stringify(task)) return task;
      own = true;
      return now;
    });
    changed ||= own;
    return own ? { ...page, items } : page;
  });
  const newest = before.pages[0]?.items[0]?.created_at ?? '';
  const added = news.filter((task) => !known.has(task.id) && task.created_at >= newest);
  const first = pages[0];
  if (added.length > 0 && first) pages[0] = { ...first, items: [...added, ...first.items] };
  return changed || added.length > 0 ? { ...before, pages } : before;
}
