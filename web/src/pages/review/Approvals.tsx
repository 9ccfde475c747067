import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { call } from '@/api/call';
import { approveTask, type GivenApproval, type TaskApproval, type Verdict } from '@/api/generated';
import { taskQuery } from '@/api/tasks';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Dialog } from '@/parts/Dialog';
import { Plain } from '@/parts/Plain';
import css from './Approvals.module.css';

const STATES: Record<string, { mark: string; text: (a: TaskApproval) => string; look: string }> = {
  not_needed: { mark: '○', text: () => 'No approval needed', look: 'idle' },
  waiting: { mark: '◐', text: (a) => `${a.given.length} of ${a.needed} approvals`, look: 'warn' },
  approved: { mark: '✓', text: () => 'Approved', look: 'good' },
  rejected: { mark: '✕', text: () => 'Rejected', look: 'bad' },
};

/** Who let this attempt's diff leave, who objects, and to say either oneself. */
export function Approvals({
  taskId,
  turn,
  attempt,
  me,
}: {
  taskId: string;
  turn: number;
  attempt: number;
  me: string | undefined;
}) {
  const task = useQuery(taskQuery(taskId));
  const [asking, setAsking] = useState<Verdict>();
  const approval = task.data?.approval;
  const state = approval && STATES[approval.state];
  if (!state) return null;
  const { mark, text, look } = state;
  const mine = [...approval.given, ...approval.rejected].some(({ by }) => by.id === me);
  return (
    <section className={css.approvals} aria-label="Approval">
      <span className={`${css.state} ${css[look]}`}>
        <span aria-hidden="true">{mark}</span> {text(approval)}
      </span>
      <ul className={css.people}>
        {approval.given.map((one) => (
          <Said key={`+${one.by.id}`} one={one} word="approved" />
        ))}
        {approval.rejected.map((one) => (
          <Said key={`-${one.by.id}`} one={one} word="rejected" />
        ))}
      </ul>
      <span className={css.does}>
        {mine ? (
          <Button onClick={() => setAsking('withdraw')}>Withdraw mine</Button>
        ) : (
          <>
            <Button onClick={() => setAsking('approve')}>Approve</Button>
            <Button look="quiet" onClick={() => setAsking('reject')}>
              Reject
            </Button>
          </>
        )}
      </span>
      {asking && (
        <Ask
          verdict={asking}
          taskId={taskId}
          turn={turn}
          attempt={attempt}
          onClose={() => setAsking(undefined)}
        />
      )}
    </section>
  );
}

function Said({ one, word }: { one: GivenApproval; word: string }) {
  return (
    <li>
      <Plain text={one.by.name} /> {word} <Ago at={one.at} />
      {one.text && (
        <>
          : <Plain text={one.text} />
        </>
      )}
    </li>
  );
}

const ASKED: Record<Verdict, { title: string; what: string; button: string }> = {
  approve: {
    title: 'Approve this diff',
    what: 'It holds for exactly the diff that you see; another one has to be approved anew.',
    button: 'Approve',
  },
  reject: {
    title: 'Reject this diff',
    what: 'It cannot be published until you withdraw this. Say what is wrong, so that it can be put right.',
    button: 'Reject',
  },
  withdraw: {
    title: 'Withdraw what you said',
    what: 'Your approval or rejection no longer counts.',
    button: 'Withdraw',
  },
};

function Ask({
  verdict,
  taskId,
  turn,
  attempt,
  onClose,
}: {
  verdict: Verdict;
  taskId: string;
  turn: number;
  attempt: number;
  onClose: () => void;
}) {
  const queries = useQueryClient();
  const [text, setText] = useState('');
  const id = useId();
  const say = useMutation({
    mutationFn: () => {
      const body = { turn, attempt, verdict, ...(text.trim() && { text: text.trim() }) };
      return call<unknown>(approveTask({ path: { id: taskId }, body }));
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['task', taskId] });
      onClose();
    },
  });
  const { title, what, button } = ASKED[verdict];
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        className={css.ask}
        onSubmit={(event) => {
          event.preventDefault();
          say.mutate();
        }}
      >
        <p>{what}</p>
        {verdict !== 'withdraw' && (
          <>
            <label htmlFor={id}>{verdict === 'reject' ? 'Why' : 'Remark (may be left out)'}</label>
            <textarea id={id} rows={3} value={text} onChange={(event) => setText(event.target.value)} />
          </>
        )}
        {say.error && (
          <p role="alert" className={css.error}>
            {say.error.message}
          </p>
        )}
        <div className={css.does}>
          <Button type="submit" look="main" busy={say.isPending}>
            {button}
          </Button>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
