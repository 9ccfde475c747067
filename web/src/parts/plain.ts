/** A stretch of text as it is, or a character that nobody would see, or that would change what is seen. */
export type Piece = string | { mark: string; name: string };

const NAMES: Record<number, string> = {
  0x00ad: 'soft hyphen',
  0x061c: 'Arabic letter mark',
  0x200b: 'zero width space',
  0x200c: 'zero width non-joiner',
  0x200d: 'zero width joiner',
  0x200e: 'left-to-right mark',
  0x200f: 'right-to-left mark',
  0x2028: 'line separator',
  0x2029: 'paragraph separator',
  0x202a: 'left-to-right embedding',
  0x202b: 'right-to-left embedding',
  0x202c: 'pop directional formatting',
  0x202d: 'left-to-right override',
  0x202e: 'right-to-left override',
  0x2060: 'word joiner',
  0x2066: 'left-to-right isolate',
  0x2067: 'right-to-left isolate',
  0x2068: 'first strong isolate',
  0x2069: 'pop directional isolate',
  0xfeff: 'byte order mark',
};

/** Controls, what steers the direction of text, and what has no width: of these a reader has to know. */
const ODD =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: each is looked for alone
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

const PICTURE_BEFORE = /[\p{Extended_Pictographic}\p{EMod}\u{fe0f}\u{20e3}]$/u;
const PICTURE_AFTER = /^\p{Extended_Pictographic}/u;
const VARIED_BEFORE = /[\p{Extended_Pictographic}\p{Emoji}\u2000-\u2bff]$/u;
/** Scripts that join letters, in which a joiner is part of how a word is written. */
const JOINING =
  /[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Gujarati}\p{Script=Gurmukhi}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Mongolian}]/u;

/**
 * Text in pieces, so that what is hidden in it is shown as marks. Line breaks stay where the text may have several lines,
 * tabs always; joiners and selectors stay where emoji and the scripts that need them use them.
 */
export function pieces(text: string, lines = true): Piece[] {
  ODD.lastIndex = 0;
  if (!ODD.test(text)) return text === '' ? [] : [text];
  ODD.lastIndex = 0; // `matchAll` begins where the search before it ended.
  const found: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(ODD)) {
    const at = match.index;
    const odd = match[0];
    if (belongs(text, at, odd, lines)) continue;
    if (at > from) found.push(text.slice(from, at));
    found.push(mark(odd));
    from = at + odd.length;
  }
  if (from < text.length) found.push(text.slice(from));
  return found;
}

/** The same as one string: for titles of windows, labels and other places that take no elements. */
export function plainText(text: string): string {
  return pieces(text, false)
    .map((piece) => (typeof piece === 'string' ? piece : piece.mark))
    .join('');
}

function belongs(text: string, at: number, odd: string, lines: boolean): boolean {
  if (lines && (odd === '\n' || (odd === '\r' && text[at + 1] === '\n'))) return true;
  if (odd === '\ufe0f' || odd === '\ufe0e') return VARIED_BEFORE.test(text.slice(Math.max(0, at - 2), at));
  if (odd !== '\u200d' && odd !== '\u200c') return false;
  const before = text.slice(Math.max(0, at - 2), at);
  const after = text.slice(at + 1, at + 3);
  if (odd === '\u200d' && PICTURE_BEFORE.test(before) && PICTURE_AFTER.test(after)) return true;
  return JOINING.test(before.slice(-1)) && JOINING.test(after.slice(0, 1));
}

function mark(odd: string): Piece {
  const code = odd.codePointAt(0) ?? 0;
  const name = NAMES[code];
  if (code < 0x20) return { mark: String.fromCodePoint(0x2400 + code), name: `control character ${hex(code)}` };
  if (code === 0x7f) return { mark: '␡', name: 'delete' };
  return { mark: hex(code), name: name ?? `invisible character ${hex(code)}` };
}

const hex = (code: number) => `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
