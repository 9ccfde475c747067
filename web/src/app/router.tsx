import {
  type AnyRoute,
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import { queryClient } from '@/api/queries';
import { NotFound } from '@/pages/NotFound';
import { Failed } from '@/parts/Failed';
import { Frame } from './Frame';
import { meQuery } from './session';

const root = createRootRoute({ notFoundComponent: NotFound, errorComponent: Broken });

function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <main>
      <Failed whole error={error} reset={reset} />
    </main>
  );
}

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search: Record<string, unknown>): { to?: string } =>
    typeof search.to === 'string' ? { to: search.to } : {},
  component: lazyRouteComponent(() => import('@/pages/sign-in/SignIn'), 'SignIn'),
});

/** Everything that needs somebody who is signed in. */
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  component: Frame,
  beforeLoad: async ({ location, matches }) => {
    // Its part of the program comes while the server is asked who this is.
    for (const { routeId } of matches) void router.loadRouteChunk(router.routesById[routeId] as AnyRoute);
    const me = await queryClient.ensureQueryData(meQuery);
    if (me === null) throw redirect({ to: '/sign-in', search: { to: location.href } });
  },
});

const page = <P extends string>(path: P, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => inside, path, component });

const tasks = createRoute({
  getParentRoute: () => inside,
  path: '/',
  validateSearch: (search: Record<string, unknown>) => search as Record<string, string | undefined>,
  component: lazyRouteComponent(() => import('@/pages/tasks/Tasks'), 'Tasks'),
});
const task = createRoute({
  getParentRoute: () => inside,
  path: '/tasks/$id',
  validateSearch: (search: Record<string, unknown>) => search as Record<string, string | number | undefined>,
  component: lazyRouteComponent(() => import('@/pages/task/Task'), 'TaskPage'),
});

export const routes = root.addChildren([
  signIn,
  inside.addChildren([
    tasks,
    task,
    page(
      '/new',
      lazyRouteComponent(() => import('@/pages/composer/Composer'), 'Composer'),
    ),
    page(
      '/environments',
      lazyRouteComponent(() => import('@/pages/environments/Environments'), 'Environments'),
    ),
    page(
      '/environments/$id',
      lazyRouteComponent(() => import('@/pages/environments/Environment'), 'Environment'),
    ),
    page(
      '/workers',
      lazyRouteComponent(() => import('@/pages/workers/Workers'), 'Workers'),
    ),
    page(
      '/usage',
      lazyRouteComponent(() => import('@/pages/usage/Usage'), 'Usage'),
    ),
    page(
      '/integrations',
      lazyRouteComponent(() => import('@/pages/integrations/Integrations'), 'Integrations'),
    ),
    page(
      '/integrations/$id',
      lazyRouteComponent(() => import('@/pages/integrations/Integration'), 'IntegrationPage'),
    ),
    page(
      '/webhooks',
      lazyRouteComponent(() => import('@/pages/webhooks/Webhooks'), 'Webhooks'),
    ),
    page(
      '/webhooks/$id',
      lazyRouteComponent(() => import('@/pages/webhooks/Webhook'), 'WebhookPage'),
    ),
    page(
      '/schedules',
      lazyRouteComponent(() => import('@/pages/schedules/Schedules'), 'Schedules'),
    ),
    page(
      '/schedules/$id',
      lazyRouteComponent(() => import('@/pages/schedules/Schedule'), 'SchedulePage'),
    ),
    page(
      '/settings',
      lazyRouteComponent(() => import('@/pages/settings/Settings'), 'Settings'),
    ),
  ]),
]);

export const router = createRouter({ routeTree: routes, defaultPreload: 'intent', scrollRestoration: true });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
