import { expect, test } from 'vitest';
import { ago } from './Ago';

test('how long ago is said in the largest unit that fits', () => {
  expect([0, -59, -60, -3599, -7200, -86_400 * 3, 3_600].map(ago)).toEqual([
    'just now',
    'just now',
    '1 min. ago',
    '59 min. ago',
    '2 hr. ago',
    '3 days ago',
    'in 1 hr.',
  ]);
});
