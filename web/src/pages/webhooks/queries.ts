import { queryOptions } from '@tanstack/react-query';
import { call } from '@/api/call';
import { getWebhook, listWebhooks } from '@/api/generated';

export const webhooksQuery = queryOptions({
  queryKey: ['webhooks'],
  queryFn: async ({ signal }) => (await call(listWebhooks({ signal }))).items,
});

export const webhookQuery = (id: string) =>
  queryOptions({
    queryKey: ['webhooks', id],
    queryFn: ({ signal }) => call(getWebhook({ path: { id }, signal })),
    refetchInterval: 15_000,
  });

/** `a, b` as a list; nothing: everything is told. */
export const eventsOf = (text: string) =>
  text
    .split(/[\s,]+/)
    .map((one) => one.trim())
    .filter(Boolean);
