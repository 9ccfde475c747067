import { queryOptions } from '@tanstack/react-query';
import { call } from '@/api/call';
import { getIntegration, type IntegrationSettings, listIntegrations, listLinkedUsers } from '@/api/generated';

export type Kind = IntegrationSettings['kind'];
export const KINDS: Record<Kind, string> = {
  github: 'GitHub',
  gitlab: 'GitLab',
  gitea: 'Gitea or Forgejo',
  slack: 'Slack',
};

/** How the other system is called; one that this page does not know, as the server calls it. */
export const kindText = (kind: string) => KINDS[kind as Kind] ?? kind;

export const integrationsQuery = queryOptions({
  queryKey: ['integrations'],
  queryFn: async ({ signal }) => (await call(listIntegrations({ signal }))).items,
});

export const integrationQuery = (id: string) =>
  queryOptions({
    queryKey: ['integrations', id],
    queryFn: ({ signal }) => call(getIntegration({ path: { id }, signal })),
  });

export const linksQuery = (id: string) =>
  queryOptions({
    queryKey: ['integrations', id, 'links'],
    queryFn: async ({ signal }) => (await call(listLinkedUsers({ path: { id }, signal }))).items,
  });
