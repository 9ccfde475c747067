/** How well a text fits what somebody types: `undefined` if it does not; lower is better. All words have to be found. */
export function score(text: string, wanted: string): number | undefined {
  const hay = text.toLowerCase();
  let sum = 0;
  for (const word of wanted.toLowerCase().split(/\s+/)) {
    if (word === '') continue;
    const at = hay.indexOf(word);
    if (at < 0) return undefined;
    const start = at === 0 || /[^\p{L}\p{N}]/u.test(hay[at - 1] ?? ' ');
    sum += (at === 0 ? 0 : start ? 1 : 3) + at / 1000;
  }
  return sum;
}

/** The best of them, those that fit equally in the order in which they came. */
export function closest<T>(all: readonly T[], wanted: string, text: (one: T) => string, limit: number): T[] {
  if (wanted.trim() === '') return all.slice(0, limit);
  return all
    .map((one) => ({ one, fits: score(text(one), wanted) }))
    .filter((scored): scored is { one: T; fits: number } => scored.fits !== undefined)
    .sort((a, b) => a.fits - b.fits)
    .slice(0, limit)
    .map(({ one }) => one);
}
