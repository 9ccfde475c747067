import { Link } from '@tanstack/react-router';
import { Empty } from '@/parts/Empty';

export function NotFound() {
  return (
    <main>
      <Empty whole title="There is nothing at this address.">
        <p>
          <Link to="/">All tasks</Link>
        </p>
      </Empty>
    </main>
  );
}
