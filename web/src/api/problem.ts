import type { Problem } from './generated';

/** What the server refused, or that it did not answer. */
export class ApiError extends Error {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Stable, for programs: `not_found`, `conflict`, …; `unreachable` when there was no answer. */
  readonly code: string;
  /** What to do. */
  readonly hint: string | undefined;
  /** By JSON pointer, what is wrong with a field. */
  readonly fields: ReadonlyMap<string, string>;

  constructor(status: number, problem: Partial<Problem>) {
    super(problem.detail ?? problem.title ?? `The server answered with status ${status}.`);
    this.name = 'ApiError';
    this.status = status;
    this.code = problem.code ?? 'unknown';
    this.hint = problem.hint ?? undefined;
    this.fields = new Map((problem.errors ?? []).map((field) => [field.pointer, field.detail]));
  }

  static unreachable(cause: unknown): ApiError {
    const error = new ApiError(0, {
      code: 'unreachable',
      detail: 'The server does not answer.',
      hint: 'This page tries again by itself; nothing that was sent and confirmed is lost.',
    });
    error.cause = cause;
    return error;
  }

  /** Whether the same request may succeed later without anybody doing anything. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}
