import { type RefCallback, startTransition, useCallback, useEffect, useRef, useState } from 'react';
import { untilQuiet } from './work';

interface Growing {
  shown: number;
  /** For who asked for something far below: it waits a little, and nothing else does. */
  showAll: () => void;
  /** What stands for the rest: while it is in view, nothing else comes first. */
  rest: RefCallback<Element>;
}

/** How much of a long list is drawn: a little at once, and more whenever the browser has time, so that nothing waits for it. */
export function useGrowing(total: number, first: number, step: number): Growing {
  const [shown, setShown] = useState(first);
  const inView = useRef(false);
  useEffect(() => {
    if (shown >= total) return;
    let timer: ReturnType<typeof setTimeout>;
    const grow = () => {
      const wait = inView.current ? 0 : untilQuiet();
      if (wait > 0) timer = setTimeout(grow, Math.min(wait, 16));
      else startTransition(() => setShown((n) => n + Math.max(step, n >> 4)));
    };
    timer = setTimeout(grow, 8);
    return () => clearTimeout(timer);
  }, [shown, total, step]);
  const showAll = useCallback(() => startTransition(() => setShown(total)), [total]);
  const rest = useCallback((element: Element | null) => {
    if (!element) return;
    const observer = new IntersectionObserver((seen) => {
      inView.current = seen.at(-1)?.isIntersecting === true;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { shown: Math.min(shown, total), showAll, rest };
}
