import { queryOptions } from '@tanstack/react-query';
import { call } from '@/api/call';
import { getMe } from '@/api/generated';
import { ApiError } from '@/api/problem';
import { queryClient } from '@/api/queries';

/** Who is signed in; `null`: nobody. */
export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: async ({ signal }) => {
    try {
      return await call(getMe({ signal }));
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 60_000,
});

/** Where to go after signing in: a path of this page, never an address of another site. */
export function ownPath(to: string | undefined): string {
  return to !== undefined && /^\/(?![/\\])/.test(to) ? to : '/';
}

/** Gives the token to the server once; from then on a cookie that no script can read says who asks. */
export async function signIn(token: string): Promise<void> {
  await send('/sign-in', { token });
  queryClient.clear();
}

export async function signOut(): Promise<void> {
  await send('/sign-out', {});
  queryClient.clear();
}

async function send(path: string, body: object): Promise<void> {
  const answer = fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    credentials: 'same-origin',
  });
  await call(
    answer.then(async (response) => ({
      response,
      error: response.ok ? undefined : await response.json().catch(() => undefined),
    })),
  );
}
