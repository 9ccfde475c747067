/** 0.4 s, 12 s, 3 min 4 s, 2 h 5 min. */
export function duration(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** 950, 12.3k, 4.1M. */
export function short(count: number): string {
  if (count < 1_000) return String(count);
  if (count < 999_950) return `${(count / 1_000).toFixed(count < 9_950 ? 1 : 0)}k`;
  return `${(count / 1_000_000).toFixed(1)}M`;
}

export const number = (count: number) => count.toLocaleString('en-GB').replaceAll(',', '\u202f');

export const counted = (count: number, one: string, many = `${one}s`) =>
  `${number(count)} ${count === 1 ? one : many}`;

/** A string as one word of a shell. */
export const quoted = (text: string) =>
  /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** A decimal number of money with as many digits as matter. */
export function money(amount: string): string {
  const value = Number(amount);
  if (!Number.isFinite(value)) return amount;
  return value >= 1 || value === 0
    ? value.toFixed(2)
    : value.toFixed(Math.max(2, 1 - Math.floor(Math.log10(value))));
}
