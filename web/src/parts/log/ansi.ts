/** How a terminal would draw what comes next. Colours are 1 red, 2 green, 3 yellow, 4 blue, 5 magenta, 6 cyan, 7 grey. */
export interface Pen {
  readonly ink: number;
  readonly ground: number;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
  readonly strike: boolean;
  readonly inverse: boolean;
}

export const PLAIN_PEN: Pen = {
  ink: 0,
  ground: 0,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  strike: false,
  inverse: false,
};

export interface Span {
  text: string;
  pen: Pen;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const CSI = /\u001b\[([0-9;:?]*)([@-~])/g;

/**
 * One line of output in stretches of one look, and the pen for the next line. Colours become names of the page's own palette, so that every text stays
 * legible in both themes and nothing can be written in the colour of the ground. Erasing within the line is left out; every other sequence stays in the
 * text, where its characters are shown as marks.
 */
export function spans(text: string, from: Pen): { spans: Span[]; pen: Pen } {
  if (!text.includes('\u001b')) return { spans: text === '' ? [] : [{ text, pen: from }], pen: from };
  const found: Span[] = [];
  let pen = from;
  let at = 0;
  let kept = '';
  const flush = () => {
    if (kept !== '') found.push({ text: kept, pen });
    kept = '';
  };
  for (const match of text.matchAll(CSI)) {
    const [whole, parameters = '', final = ''] = match;
    kept += text.slice(at, match.index);
    at = match.index + whole.length;
    if (final === 'm' && !parameters.includes('?')) {
      const next = drawn(pen, parameters);
      if (!same(next, pen)) flush();
      pen = next;
    } else if (!silent(parameters, final)) {
      kept += whole;
    }
  }
  kept += text.slice(at);
  flush();
  return { spans: found, pen };
}

/** The pen after a line, without making its spans. */
export function penAfter(text: string, from: Pen): Pen {
  if (!text.includes('\u001b')) return from;
  let pen = from;
  for (const [, parameters = '', final] of text.matchAll(CSI)) {
    if (final === 'm' && !parameters.includes('?')) pen = drawn(pen, parameters);
  }
  return pen;
}

/** A line without its escape sequences of looks, as it is searched and saved. */
export const withoutLooks = (text: string) =>
  text.includes('\u001b')
    ? spans(text, PLAIN_PEN)
        .spans.map((span) => span.text)
        .join('')
    : text;

/** What a terminal would still show of a line that returned to its start, and how often it did. */
export function overwritten(text: string): { text: string; times: number } {
  if (!text.includes('\r')) return { text, times: 0 };
  const parts = text.replace(/\r+$/, '').split('\r');
  return { text: parts.at(-1) ?? '', times: parts.length - 1 };
}

const same = (a: Pen, b: Pen) => (Object.keys(a) as (keyof Pen)[]).every((key) => a[key] === b[key]);

/** What progress bars send and nobody misses: erasing, and hiding the cursor. */
const silent = (parameters: string, final: string) =>
  final === 'K' ||
  final === 'J' ||
  ((final === 'h' || final === 'l') && /^\?(25|7|2004|2026)$/.test(parameters));

function drawn(before: Pen, parameters: string): Pen {
  const codes = parameters.split(/[;:]/).map((code) => (code === '' ? 0 : Number(code)));
  let pen = { ...before };
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 0) pen = { ...PLAIN_PEN };
    else if (code === 1) pen.bold = true;
    else if (code === 2) pen.dim = true;
    else if (code === 3) pen.italic = true;
    else if (code === 4) pen.underline = true;
    else if (code === 7) pen.inverse = true;
    else if (code === 9) pen.strike = true;
    else if (code === 22) pen.bold = pen.dim = false;
    else if (code === 23) pen.italic = false;
    else if (code === 24) pen.underline = false;
    else if (code === 27) pen.inverse = false;
    else if (code === 29) pen.strike = false;
    else if (code === 38 || code === 48) {
      const wide = codes[at + 1] === 2;
      const colour = wide
        ? nearest(codes[at + 2] ?? 0, codes[at + 3] ?? 0, codes[at + 4] ?? 0)
        : indexed(codes[at + 2] ?? 0);
      if (code === 38) pen.ink = colour;
      else pen.ground = colour;
      at += wide ? 4 : 2;
    } else if (code === 39) pen.ink = 0;
    else if (code === 49) pen.ground = 0;
    else if (code >= 30 && code <= 37) pen.ink = code === 37 ? 0 : code === 30 ? 7 : code - 30;
    else if (code >= 90 && code <= 97) pen.ink = code === 97 ? 0 : code === 90 ? 7 : code - 90;
    else if (code >= 40 && code <= 47) pen.ground = code === 40 ? 0 : code - 40;
    else if (code >= 100 && code <= 107) pen.ground = code === 100 ? 7 : code - 100;
  }
  return pen;
}

function indexed(index: number): number {
  if (index < 16) return index % 8 === 7 ? 0 : index % 8 === 0 ? 7 : index % 8;
  if (index >= 232) return 7;
  const cube = index - 16;
  const level = (of: number) => (of === 0 ? 0 : 55 + of * 40);
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function nearest(red: number, green: number, blue: number): number {
  const high = Math.max(red, green, blue);
  const low = Math.min(red, green, blue);
  if (high - low < 40) return high > 160 ? 0 : 7;
  const bits = (of: number) => (of - low > (high - low) / 2 ? 1 : 0);
  return bits(red) + 2 * bits(green) + 4 * bits(blue);
}
