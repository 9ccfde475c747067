import { useQuery } from '@tanstack/react-query';
import { call } from '@/api/call';
import { type Attempt, getAttemptDiff } from '@/api/generated';
import { Empty } from '@/parts/Empty';
import { Failed } from '@/parts/Failed';
import { Plain } from '@/parts/Plain';

/** An attempt's diff. */
export function Review({ attempt }: { taskId: string; turn: number; attempt: Attempt; attempts: Attempt[] }) {
  const diff = useQuery({
    queryKey: ['diff', attempt.id, attempt.state],
    queryFn: async ({ signal }) =>
      (await call(getAttemptDiff({ path: { id: attempt.id }, signal }))) as string,
  });
  if (diff.error) return <Failed error={diff.error} />;
  if (diff.data === '') return <Empty title="It changed nothing." />;
  return (
    <pre>
      <Plain text={diff.data ?? ''} lines />
    </pre>
  );
}
