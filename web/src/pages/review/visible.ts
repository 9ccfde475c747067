/** A part of a text: shown as it is, or as a mark because it would not be seen or would move what is around it. */
export type Part = { text: string; mark?: string };

// Control and format characters but the tab (marks of direction, joiners, tags), other line ends, lone surrogates, and
// letters that are drawn as nothing.
const HIDDEN = /(?!\t)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|\u115f|\u1160|\u3164|\uffa0|\u17b4|\u17b5|\u034f/u;
const ALL = new RegExp(HIDDEN.source, 'gu');

/** Whether a text has characters that have to be marked. */
export const hasHidden = (text: string) => HIDDEN.test(text);

/** The parts of a text, in order; together they are the text. */
export function parts(text: string): Part[] {
  const found: Part[] = [];
  let at = 0;
  for (const match of text.matchAll(ALL)) {
    if (match.index > at) found.push({ text: text.slice(at, match.index) });
    found.push({ text: match[0], mark: nameOf(match[0]) });
    at = match.index + match[0].length;
  }
  if (at < text.length) found.push({ text: text.slice(at) });
  return found;
}

const NAMES: Record<number, string> = { 13: 'CR', 27: 'ESC', 0: 'NUL', 65279: 'BOM', 8203: 'ZWSP' };

function nameOf(character: string): string {
  const point = character.codePointAt(0) ?? 0;
  return NAMES[point] ?? `U+${point.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** The same as one string, for places that take no elements. */
export const plain = (text: string) =>
  hasHidden(text)
    ? parts(text)
        .map(({ text, mark }) => (mark ? `⟦${mark}⟧` : text))
        .join('')
    : text;
