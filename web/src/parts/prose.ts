/** A part of what an agent or a person wrote in the manner of Markdown; only what makes it easier to read is taken from it. */
export type Prose = { kind: 'text'; parts: Part[] } | { kind: 'code'; text: string };
export type Part = { kind: 'text' | 'code' | 'strong'; text: string };

const FENCE = /^ {0,3}(```+|~~~+)/;
const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*/g;

/** Blocks of code, words of code and what is strong; everything else stays the text that it is. No links, no pictures, no HTML. */
export function prose(text: string): Prose[] {
  const found: Prose[] = [];
  let lines: string[] = [];
  let fence = '';
  const flush = (kind: Prose['kind']) => {
    const all = lines.join('\n');
    lines = [];
    if (kind === 'code') found.push({ kind, text: all });
    else if (all.trim() !== '') found.push({ kind, parts: inline(all.replace(/^\n+|\n+$/g, '')) });
  };
  for (const line of text.split('\n')) {
    const mark = FENCE.exec(line)?.[1];
    if (fence === '' && mark) {
      flush('text');
      fence = mark;
    } else if (fence !== '' && mark?.startsWith(fence) && line.trim() === mark) {
      flush('code');
      fence = '';
    } else lines.push(line);
  }
  // What is still being written may not have its end yet.
  flush(fence === '' ? 'text' : 'code');
  return found;
}

function inline(text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > from) parts.push({ kind: 'text', text: text.slice(from, match.index) });
    const [whole, code, strong] = match;
    parts.push(code === undefined ? { kind: 'strong', text: strong ?? '' } : { kind: 'code', text: code });
    from = match.index + whole.length;
  }
  if (from < text.length) parts.push({ kind: 'text', text: text.slice(from) });
  return parts;
}
