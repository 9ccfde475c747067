import { describe, expect, it } from 'vitest';
import { pieces, plainText } from './plain';

describe('pieces', () => {
  it('leaves what people write alone', () => {
    for (const text of [
      'Fix the retry loop',
      'two\nlines\tand a tab',
      'windows\r\nlines',
      'שלום עולם',
      '日本語のテキスト',
      'family 👨‍👩‍👧 and heart ❤️, ok 👍🏽, keycap 1️⃣',
      'نامه‌ای',
      'क्‍ष',
    ]) {
      expect(pieces(text)).toEqual([text]);
    }
    expect(pieces('')).toEqual([]);
  });

  it('marks what would hide or turn round text', () => {
    expect(pieces('a\u202eb\u202c')).toEqual([
      'a',
      { mark: 'U+202E', name: 'right-to-left override' },
      'b',
      { mark: 'U+202C', name: 'pop directional formatting' },
    ]);
    expect(plainText('\u001b[8mx\u0007')).toBe('‹ESC›[8mx‹BEL›');
    expect(plainText('pass\u200bword\u2060 \ufeff')).toBe('pass‹U+200B›word‹U+2060› ‹U+FEFF›');
    expect(plainText('tag\u{e0041}')).toBe('tag‹U+E0041›');
    expect(plainText('c1 \u009b31m')).toBe('c1 ‹U+009B›31m');
    expect(plainText('lat\u200cin \u200djoin x\ufe0f')).toBe('lat‹U+200C›in ‹U+200D›join x‹U+FE0F›');
  });

  it('keeps one line one line', () => {
    expect(plainText('a\nb\rc\u2028d')).toBe('a‹LF›b‹CR›c‹U+2028›d');
  });
});
