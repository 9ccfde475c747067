import '@/styles/tokens.css';
import '@/styles/base.css';
import './review.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { createRoot } from 'react-dom/client';
import { call } from '@/api/call';
import { getTask } from '@/api/generated';
import { queryClient } from '@/api/queries';
import { applyTheme } from '@/app/theme';
import { Review } from '@/pages/review/Review';

// As the page does when it starts.
applyTheme();
// The task is known before; what is measured begins with the answer to the request for the diff.
const task = await call(getTask({ path: { id: 'task_1' } }));
const attempts = task.turns[0]?.attempts ?? [];
const [first] = attempts;
const root = document.getElementById('root');
if (root && first)
  createRoot(root).render(
    <QueryClientProvider client={queryClient}>
      <main>
        <h1 className="visually-hidden">A task</h1>
        <Review taskId="task_1" turn={1} attempt={first} attempts={attempts} />
      </main>
    </QueryClientProvider>,
  );
