import { memo, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { Entry, Source } from './compare';
import css from './DiffView.module.css';
import { type FileActions, FileDiff, type Thread } from './FileDiff';
import { type HunkView, type Layout, ROW } from './rows';
import { keyOf, type Taken } from './selection';
import { useGrowing } from './useGrowing';
import { Work } from './work';

interface Props {
  entries: Entry[];
  sources: Source[];
  layout: Layout;
  viewed: ReadonlySet<string>;
  closed: ReadonlySet<string>;
  onOpen: (path: string, open: boolean) => void;
  threads: ReadonlyMap<string, Thread[]>;
  taken: Taken;
  actions: FileActions;
  /** Set while it is on the screen: brings a file into view. */
  jump: { current: ((path: string) => void) | undefined };
}

/** What is drawn before the first paint is about as high as a window; then so many files at once. */
const WINDOW = 1_400;
const MORE = 4;
/** What is made for the browser's own search: about 100,000 rows. */
const EAGER = 2_000_000;
const NOTHING: ReadonlySet<number> = new Set();
const NO_THREADS: Thread[] = [];

/** Where a file is on the page. */
export const anchor = (index: number) => `file-${index}`;

/** All files of a diff, below each other. */
export const DiffView = memo(function DiffView(props: Props) {
  const { entries, sources, layout, viewed, closed, onOpen, threads, taken, actions, jump } = props;
  const [work] = useState(() => new Work());
  useEffect(() => {
    work.start();
    return () => work.stop();
  }, [work]);

  const views = useRef(new WeakMap<Element, HunkView>());
  const observer = useRef<IntersectionObserver>(undefined);
  observer.current ??= new IntersectionObserver(
    (seen) => {
      for (const { target, isIntersecting } of seen) views.current.get(target)?.see(target, isIntersecting);
    },
    { rootMargin: '400px 0px' },
  );
  useEffect(() => () => observer.current?.disconnect(), []);
  const watch = useCallback((block: HTMLElement, view: HunkView) => {
    views.current.set(block, view);
    if (!('oncontentvisibilityautostatechange' in block)) return observer.current?.observe(block);
    // Of all blocks few are near, and each that is observed is measured for each frame.
    block.addEventListener('contentvisibilityautostatechange', (event) => {
      if (!(event as Event & { skipped: boolean }).skipped) return observer.current?.observe(block);
      observer.current?.unobserve(block);
      view.see(block, false);
    });
  }, []);

  const [first] = useState(() => within(entries, WINDOW));
  const { shown, showAll, rest: restRef } = useGrowing(entries.length, first, MORE);
  const [eager] = useState(() => within(entries, EAGER));
  const wanted = useRef<string>(undefined);
  jump.current = (path) => {
    const index = entries.findIndex((entry) => entry.path === path);
    if (index < 0) return;
    const element = document.getElementById(anchor(index));
    if (element) return show(element);
    wanted.current = anchor(index);
    showAll();
  };
  useLayoutEffect(() => {
    const element = wanted.current && document.getElementById(wanted.current);
    if (!element) return;
    wanted.current = undefined;
    show(element);
  });

  const beyond = entries.length - eager;
  const rest = entries.slice(shown).reduce((sum, entry) => sum + heightOf(entry), 0);
  return (
    <div className={css.files}>
      {entries.slice(0, shown).map((entry, index) => (
        <FileDiff
          key={entry.path}
          id={anchor(index)}
          entry={entry}
          sources={sources}
          layout={layout}
          first={index < first}
          eager={index < eager}
          viewed={viewed.has(entry.path)}
          open={!closed.has(entry.path)}
          threads={threads.get(entry.path) ?? NO_THREADS}
          takenFirst={taken.get(keyOf(sources[0]?.attempt ?? 0, entry.path)) ?? NOTHING}
          takenSecond={taken.get(keyOf(sources[1]?.attempt ?? 0, entry.path)) ?? NOTHING}
          actions={actions}
          work={work}
          watch={watch}
          onOpen={onOpen}
        />
      ))}
      {rest > 0 && <div ref={restRef} style={{ height: rest }} />}
      {beyond > 0 && (
        <p className={css.note}>
          This diff is very large: of its last {beyond} files the browser's search finds what you have
          scrolled to.
        </p>
      )}
    </div>
  );
});

function show(element: HTMLElement): void {
  element.scrollIntoView({ block: 'start' });
  element.querySelector<HTMLElement>('button')?.focus({ preventScroll: true });
}

/** About how high a file will be, so that the scroll bar is right from the beginning. */
function heightOf({ patches }: Entry): number {
  const rows = patches.reduce((most, file) => Math.max(most, file?.rows ?? 0), 0);
  const hunks = patches.reduce((most, file) => Math.max(most, file?.hunks.length ?? 0), 0);
  return 48 + rows * ROW + hunks * 28;
}

/** How many files together are as high as that. */
function within(entries: Entry[], most: number): number {
  let height = 0;
  for (const [i, entry] of entries.entries()) {
    height += heightOf(entry);
    if (height > most) return i + 1;
  }
  return entries.length;
}
