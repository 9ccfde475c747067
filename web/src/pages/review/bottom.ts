import { useLayoutEffect, useState } from 'react';

/** How high what already stays at the bottom of the window is, such as the field for a follow-up: the next bar goes above it. */
export function useBottom(): number {
  const [height, setHeight] = useState(0);
  useLayoutEffect(() => {
    const measure = () => setHeight(heightAtBottom());
    measure();
    addEventListener('resize', measure);
    return () => removeEventListener('resize', measure);
  }, []);
  return height;
}

function heightAtBottom(): number {
  for (const hit of document.elementsFromPoint(innerWidth / 2, innerHeight - 3)) {
    for (let at: Element | null = hit; at; at = at.parentElement) {
      if (at instanceof HTMLElement && at.dataset.bar !== undefined) break;
      const { position, bottom } = getComputedStyle(at);
      if ((position === 'sticky' || position === 'fixed') && bottom === '0px')
        return at.getBoundingClientRect().height;
    }
  }
  return 0;
}
