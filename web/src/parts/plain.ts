/** A stretch of text as it is, or a character that nobody would see, or that would change what is seen. */
export type Piece = string | { mark: string; name: string };

// Few typefaces have pictures for these.
const CONTROLS =
  'NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(
    ' ',
  );

const NAMES: Record<number, string> = {
  173: 'soft hyphen',
  1564: 'Arabic letter mark',
  8203: 'zero width space',
  8204: 'zero width non-joiner',
  8205: 'zero width joiner',
  8206: 'left-to-right mark',
  8207: 'right-to-left mark',
  8232: 'line separator',
  8233: 'paragraph separator',
  8234: 'left-to-right embedding',
  8235: 'right-to-left embedding',
  8236: 'pop directional formatting',
  8237: 'left-to-right override',
  8238: 'right-to-left override',
  8288: 'word joiner',
  8294: 'left-to-right isolate',
  8295: 'right-to-left isolate',
  8296: 'first strong isolate',
  8297: 'pop directional isolate',
  65279: 'byte order mark',
};

/** Controls, what steers the direction of text, and what has no width: of these a reader has to know. */
const ODD =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: each is looked for alone
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

const PICTURE_BEFORE = /(?:\p{Extended_Pictographic}|\p{EMod}|\u{fe0f}|\u{20e3})$/u;
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
    .map((piece) => (typeof piece === 'string' ? piece : `‹${piece.mark}›`))
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
  if (code < 0x20) return { mark: CONTROLS[code] ?? hex(code), name: `control character ${hex(code)}` };
  if (code === 0x7f) return { mark: 'DEL', name: 'delete' };
  return { mark: hex(code), name: name ?? `invisible character ${hex(code)}` };
}

const hex = (code: number) => `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
