import type { Problem } from './generated';
import { client } from './generated/client.gen';
import { ApiError } from './problem';

// The page is served by the server whose API it uses; a cookie that no script can read says who asks.
client.setConfig({ baseUrl: '', credentials: 'same-origin' });

type Answer<T> = { data?: T; error?: unknown; response?: Response };

/** What a generated function answers, or an `ApiError`. */
export async function call<T>(answer: Promise<Answer<T>>): Promise<T> {
  let got: Answer<T>;
  try {
    got = await answer;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw ApiError.unreachable(cause);
  }
  const { data, error, response } = got;
  if (!response) throw ApiError.unreachable(error);
  if (!response.ok) {
    const problem = typeof error === 'object' && error !== null ? (error as Partial<Problem>) : {};
    throw new ApiError(response.status, problem);
  }
  return data as T;
}
