import { type KeyboardEvent, useEffect, useLayoutEffect, useReducer, useRef, useState } from 'react';
import type { Follow } from '@/api/follow';
import { Button } from '../Button';
import { counted, number } from '../format';
import css from './Log.module.css';
import type { Row } from './model';
import { Head, OutputLine } from './Rows';
import { highlight, useFound } from './search';
import { View } from './View';

/** What is drawn above and below what is seen. */
const MARGIN = 400;
/** So near to the end, the reader is taken to be at the end. */
const NEAR = 30;

/** An attempt's log: it takes 100,000 lines at the speed at which they come, and stays where its reader is. */
export function Log({ follow, label }: { follow: Follow; label: string }) {
  const { model, phase } = follow;
  const box = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const [view, setView] = useState(() => ({ of: follow, view: new View(model) }));
  if (view.of !== follow) setView({ of: follow, view: new View(model) });
  const { heights } = view.view;
  const [, again] = useReducer((count: number) => count + 1, 0);
  const [size, setSize] = useState({ width: 0, height: 0, columns: 80 });
  const [following, setFollowing] = useState(true);
  const [times, setTimes] = useState(false);
  const search = useFound(follow);
  const place = useRef({ top: 0, set: 0, row: undefined as Row | undefined, delta: 0 });

  view.view.update(size);
  const rows = model.rows();
  const total = heights.total;
  const at = place.current;
  if (at.row) at.top = heights.before(view.view.indexOf(at.row)) + at.delta;
  if (following) at.top = total - size.height;
  at.top = Math.max(0, Math.min(at.top, total - size.height));
  const first = heights.at(at.top - MARGIN);
  const last = heights.at(at.top + size.height + MARGIN);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      const probe = element.querySelector(`.${css.probe}`);
      const character = (probe?.getBoundingClientRect().width ?? 72) / 10;
      const width = element.clientWidth;
      setSize({
        width,
        height: element.clientHeight,
        columns: Math.max(10, Math.floor((width - 44) / character)),
      });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // After drawing: what the browser says of the rows' heights, and the reader's row back to where it was.
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || size.height === 0) return;
    let changed = false;
    for (const child of inner.current?.children ?? []) {
      const row = Number((child as HTMLElement).dataset.row);
      changed = view.view.measured(row, child.getBoundingClientRect().height) || changed;
    }
    if (changed) again();
    highlight(inner.current, search.text);
    if (Math.abs(element.scrollTop - at.top) >= 1) {
      element.scrollTop = at.top;
      at.set = element.scrollTop;
    }
  });

  const moved = (top: number) => {
    const element = box.current;
    if (!element) return;
    const row = heights.at(top);
    at.top = top;
    at.row = model.rows()[row];
    at.delta = top - heights.before(row);
    again();
  };
  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    const { scrollTop, scrollHeight, clientHeight } = element;
    if (Math.abs(scrollTop - at.set) < 1) return;
    at.set = -1;
    setFollowing(scrollTop + clientHeight >= scrollHeight - NEAR);
    moved(scrollTop);
  };
  const show = (row: Row | undefined) => {
    if (!row) return;
    const index = model.reveal(row.item, row.line);
    view.view.update(size);
    setFollowing(false);
    moved(Math.max(0, heights.before(index) - size.height / 3));
  };
  const toEnd = () => {
    setFollowing(true);
    again();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'End') {
      event.preventDefault();
      toEnd();
    } else if (event.key === 'Home') {
      event.preventDefault();
      setFollowing(false);
      moved(0);
    }
  };

  const drawn = [];
  for (let index = first; index <= last && index < rows.length; index++) {
    const row = rows[index] as Row;
    const item = model.items[row.item];
    if (!item) continue;
    const hit = search.is(row);
    const line = row.line >= 0 && 'lines' in item ? item.lines[row.line] : undefined;
    drawn.push(
      <div key={`${row.item}:${row.line}`} data-row={index} className={hit ? css[hit] : undefined}>
        {line ? (
          <OutputLine line={line} text={line.text} times={times} />
        ) : (
          <Head
            item={item}
            unfolded={model.unfolded(row.item)}
            running={!model.ended}
            times={times}
            onFold={() => {
              setFollowing(false);
              const element = box.current;
              if (element) moved(element.scrollTop);
              model.fold(row.item, !model.unfolded(row.item));
              again();
            }}
          />
        )}
      </div>,
    );
  }

  return (
    <div className={css.log}>
      <div className={css.tools}>
        <search className={css.search}>
          <input
            type="search"
            placeholder="Find in the log"
            aria-label="Find in the log"
            data-find
            value={search.text}
            onChange={(event) => search.look(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter') show(search.step(event.shiftKey ? -1 : 1));
            }}
          />
          {search.text !== '' && (
            <>
              <span className={css.found} aria-live="polite">
                {search.count === 0 ? 'nothing' : `${search.at + 1} of ${number(search.count)}`}
              </span>
              <Button look="quiet" aria-label="The one before" onClick={() => show(search.step(-1))}>
                ↑
              </Button>
              <Button look="quiet" aria-label="The next one" onClick={() => show(search.step(1))}>
                ↓
              </Button>
            </>
          )}
        </search>
        <Phase follow={follow} />
        <Button look="quiet" aria-pressed={times} onClick={() => setTimes(!times)}>
          Times
        </Button>
        <Button look="quiet" onClick={() => save(model.text(), `${follow.attempt}.log`)}>
          Save
        </Button>
      </div>
      <div
        ref={box}
        className={css.box}
        role="log"
        aria-live="off"
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable with the keyboard
        tabIndex={0}
        onScroll={onScroll}
        onKeyDown={onKey}
      >
        <span className={css.probe} aria-hidden="true">
          0000000000
        </span>
        <div className={css.all} style={{ height: total }}>
          <div
            ref={inner}
            className={css.drawn}
            style={{ transform: `translateY(${heights.before(first)}px)` }}
          >
            {drawn}
          </div>
        </div>
        {rows.length === 0 && (
          <p className={css.none}>
            {phase === 'failed'
              ? follow.error?.message
              : phase === 'loading'
                ? 'Reading the log…'
                : 'Nothing has happened yet.'}
          </p>
        )}
      </div>
      {!following && total > size.height + NEAR && (
        <Button className={css.toEnd} onClick={toEnd}>
          ↓ {model.ended ? 'To the end' : 'Follow'}
        </Button>
      )}
    </div>
  );
}

/** How the log comes, for those who see it and those who hear it. */
function Phase({ follow: { phase, model } }: { follow: Follow }) {
  const step = model.steps.at(-1);
  const [told, setTold] = useState('');
  const text = phase === 'ended' ? `The attempt ended: ${model.ended}.` : step ? `Step ${step.name}.` : '';
  useEffect(() => setTold(text), [text]);
  return (
    <span className={css.phase}>
      {phase === 'waiting' && <span className={css.quiet}>Connection lost, trying again… </span>}
      {model.lineCount > 0 && <span className={css.quiet}>{counted(model.lineCount, 'line')}</span>}
      <span className="visually-hidden" aria-live="polite">
        {told}
      </span>
    </span>
  );
}

function save(text: string, name: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
