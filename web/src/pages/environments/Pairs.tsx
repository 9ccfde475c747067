import { useId } from 'react';
import { Button } from '@/parts/Button';
import { Help } from '@/parts/Field';
import type { Pair } from './draft';
import css from './Pairs.module.css';

/** Names and values, one a line. */
export function Pairs({
  label,
  help,
  wrong,
  pairs,
  name,
  value,
  onPairs,
}: {
  label: string;
  help?: string;
  wrong?: string | undefined;
  pairs: Pair[];
  /** What a name and a value are called here. */
  name: string;
  value: string;
  onPairs: (pairs: Pair[]) => void;
}) {
  const id = useId();
  const set = (at: number, change: Partial<Pair>) =>
    onPairs(pairs.map((pair, i) => (i === at ? { ...pair, ...change } : pair)));
  return (
    <fieldset className={css.pairs} aria-describedby={`${id}-help`}>
      <legend>{label}</legend>
      {pairs.map((pair, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line has no other name while it is written
        <div key={i} className={css.pair}>
          <input
            className={css.input}
            aria-label={`${name} ${i + 1}`}
            placeholder={name}
            spellCheck={false}
            value={pair.name}
            onChange={(event) => set(i, { name: event.target.value })}
          />
          <input
            className={css.input}
            aria-label={`${value} ${i + 1}`}
            placeholder={value}
            spellCheck={false}
            value={pair.value}
            onChange={(event) => set(i, { value: event.target.value })}
          />
          <Button
            look="quiet"
            aria-label={`Remove ${pair.name || `line ${i + 1}`}`}
            onClick={() => onPairs(pairs.filter((_, at) => at !== i))}
          >
            ✕
          </Button>
        </div>
      ))}
      <Button className={css.add} onClick={() => onPairs([...pairs, { name: '', value: '' }])}>
        Add
      </Button>
      <Help id={`${id}-help`} help={help} wrong={wrong} />
    </fieldset>
  );
}
