import { startTransition, useCallback, useEffect, useState } from 'react';

/** How much of a long list is drawn: a little at once, and more whenever the browser has time, so that nothing waits for it. */
export function useGrowing(total: number, first: number, step: number): [number, () => void] {
  const [shown, setShown] = useState(first);
  useEffect(() => {
    if (shown >= total) return;
    const timer = setTimeout(() => startTransition(() => setShown((n) => n + Math.max(step, n >> 4))), 8);
    return () => clearTimeout(timer);
  }, [shown, total, step]);
  // In pieces, too: who asked for something far below waits a little, and nothing else does.
  const all = useCallback(() => startTransition(() => setShown(total)), [total]);
  return [Math.min(shown, total), all];
}
