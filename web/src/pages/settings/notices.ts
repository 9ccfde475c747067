import type { NotificationPlace } from '@/api/generated';

export const EVENTS = [
  ['needs_input', 'An agent asks'],
  ['finished', 'A task ended well'],
  ['failed', 'A task failed'],
  ['approval_wanted', 'A result wants an approval'],
  ['pull_request', 'A pull request is open'],
] as const;

/** A place as a form's value, and back. */
export const nameOf = (place: NotificationPlace): string => {
  switch (place.kind) {
    case 'slack':
      return ['slack', place.integration_id, place.channel ?? ''].join(' ');
    case 'webhook':
      return ['webhook', place.webhook_id].join(' ');
    default:
      return 'none';
  }
};

export function placeOf(value: string): NotificationPlace {
  const [kind, id = '', channel = ''] = value.split(' ');
  if (kind === 'slack') return { kind, integration_id: id, ...(channel && { channel }) };
  if (kind === 'webhook') return { kind, webhook_id: id };
  return { kind: 'none' };
}

export function placeText(place: NotificationPlace): string {
  switch (place.kind) {
    case 'slack':
      return place.channel
        ? `Channel ${place.channel} by ${place.integration_id}`
        : `A message by ${place.integration_id}`;
    case 'webhook':
      return `Webhook ${place.webhook_id}`;
    default:
      return 'nowhere';
  }
}
