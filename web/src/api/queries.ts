import { QueryClient } from '@tanstack/react-query';
import { ApiError } from './problem';

/** Keeps what was read; tries again while the server restarts, and never repeats what it refused. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      retry: (count, error) => count < 60 && error instanceof ApiError && error.passes,
      retryDelay: (count) => Math.min(250 * 2 ** count, 5_000),
      networkMode: 'always',
    },
    mutations: { networkMode: 'always', retry: false },
  },
});
