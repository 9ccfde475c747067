import { expect, it } from 'vitest';
import type { NotificationPlace } from '@/api/generated';
import { nameOf, placeOf } from './notices';

it('is the same place when it comes back from a form', () => {
  const places: NotificationPlace[] = [
    { kind: 'slack', integration_id: 'int_1' },
    { kind: 'slack', integration_id: 'int_1', channel: 'C1' },
    { kind: 'webhook', webhook_id: 'whk_1' },
    { kind: 'none' },
  ];
  expect(places.map((place) => placeOf(nameOf(place)))).toEqual(places);
  expect(new Set(places.map(nameOf)).size).toBe(places.length);
});
