import { expect, it } from 'vitest';
import { prose } from './prose';

it('finds code and what is strong, and leaves the rest as it is', () => {
  expect(
    prose(
      'Use `send` in **all** cases.\n\n```rust\nfn a() {}\n\n`b`\n```\n\n- <b>item</b> [x](javascript:1)',
    ),
  ).toEqual([
    {
      kind: 'text',
      parts: [
        { kind: 'text', text: 'Use ' },
        { kind: 'code', text: 'send' },
        { kind: 'text', text: ' in ' },
        { kind: 'strong', text: 'all' },
        { kind: 'text', text: ' cases.' },
      ],
    },
    { kind: 'code', text: 'fn a() {}\n\n`b`' },
    { kind: 'text', parts: [{ kind: 'text', text: '- <b>item</b> [x](javascript:1)' }] },
  ]);
});

it('copes with what is not finished', () => {
  expect(prose('a\n````\nb\n```')).toEqual([
    { kind: 'text', parts: [{ kind: 'text', text: 'a' }] },
    { kind: 'code', text: 'b\n```' },
  ]);
  expect(prose('a ` b ** c')).toEqual([{ kind: 'text', parts: [{ kind: 'text', text: 'a ` b ** c' }] }]);
  expect(prose('')).toEqual([]);
});
