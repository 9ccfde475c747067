/** Where two lines differ: from `start` to before `end` of each. */
export interface Difference {
  old: [number, number];
  new: [number, number];
}

const WORD = /[\p{L}\p{N}_]/u;

/**
 * The part of two lines that is not the same, whole words only; nothing when they have too little in common, so that
 * a mark would only be noise.
 */
export function difference(old: string, fresh: string): Difference | undefined {
  const shorter = Math.min(old.length, fresh.length);
  if (shorter === 0 || shorter > 2_000 || old === fresh) return undefined;
  let start = 0;
  while (start < shorter && old[start] === fresh[start]) start++;
  let end = 0;
  while (end < shorter - start && old[old.length - 1 - end] === fresh[fresh.length - 1 - end]) end++;
  if (start + end < Math.max(old.length, fresh.length) * 0.3 || old.slice(0, start).trim().length + end === 0)
    return undefined;
  while (start > 0 && inWord(old, fresh, start)) start--;
  while (end > 0 && inWord(old, fresh, old.length - end, fresh.length - end)) end--;
  return { old: [start, old.length - end], new: [start, fresh.length - end] };
}

/** Whether a word of either line goes on over this place. */
function inWord(old: string, fresh: string, at: number, other = at): boolean {
  const over = (text: string, i: number) => WORD.test(text[i - 1] ?? '') && WORD.test(text[i] ?? '');
  return over(old, at) || over(fresh, other);
}
