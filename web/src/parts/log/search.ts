import { useEffect, useMemo, useState } from 'react';
import type { Follow } from '@/api/follow';
import type { Row } from './model';

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
    let seen = -1;
    const look = () => {
      if (seen === model.lastSeq) return;
      seen = model.lastSeq;
      setRows(model.find(text));
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
      const next = (at + by + rows.length) % rows.length;
      setAt(next);
      return rows[next];
    },
    is: (row: Row): 'hit' | 'hitNow' | undefined =>
      !set.has(name(row)) ? undefined : current && name(current) === name(row) ? 'hitNow' : 'hit',
  };
}

const name = ({ item, line }: Row) => `${item}:${line}`;
