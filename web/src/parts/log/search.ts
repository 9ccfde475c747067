import { useEffect, useMemo, useState } from 'react';
import type { Follow } from '@/api/follow';
import { Finder, type Row } from './model';

/** What was looked for in a log, and where it stands; looked for again while the log grows, at most twice a second. */
export function useFound(follow: Follow) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const [rows, setRows] = useState<Row[]>([]);
  const { model } = follow;
  useEffect(() => {
    if (text === '') {
      setRows([]);
      return;
    }
    const finder = new Finder(model, text);
    let seen = -1;
    const look = () => {
      if (seen === model.lastSeq) return;
      seen = model.lastSeq;
      setRows(finder.look());
    };
    look();
    const timer = setInterval(look, 500);
    return () => clearInterval(timer);
  }, [text, model]);
  const set = useMemo(() => new Set(rows.map(name)), [rows]);
  const current = rows[at];
  return {
    text,
    at,
    count: rows.length,
    look: (wanted: string) => {
      setText(wanted);
      setAt(-1);
    },
    step: (by: number): Row | undefined => {
      if (rows.length === 0) return undefined;
      const next = at < 0 && by < 0 ? rows.length - 1 : (at + by + rows.length) % rows.length;
      setAt(next);
      return rows[next];
    },
    is: (row: Row): 'hit' | 'hitNow' | undefined =>
      !set.has(name(row)) ? undefined : current && name(current) === name(row) ? 'hitNow' : 'hit',
  };
}

const name = ({ item, line }: Row) => `${item}:${line}`;

/** Marks a text in what is drawn of the log, where the browser can do so without changing what is drawn. */
export function highlight(root: Element | null, text: string): void {
  if (!('highlights' in CSS)) return;
  const found = new Highlight();
  const needle = text.toLowerCase();
  if (root && needle !== '') {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const hay = node.nodeValue?.toLowerCase() ?? '';
      for (let at = hay.indexOf(needle); at >= 0; at = hay.indexOf(needle, at + needle.length)) {
        // Letters that grow in lower case would put it elsewhere.
        if (at + needle.length > (node.nodeValue?.length ?? 0)) break;
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + needle.length);
        found.add(range);
      }
    }
  }
  CSS.highlights.set('found', found);
}
