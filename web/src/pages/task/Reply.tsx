import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import type { Attempt, Task, Turn } from '@/api/generated';
import { commentsQuery } from '@/api/tasks';
import { Button } from '@/parts/Button';
import { Segments } from '@/parts/Field';
import { counted } from '@/parts/format';
import { Prose } from '@/parts/Prose';
import { Refused } from '@/parts/Refused';
import { newKey, useAnswer, useFollowUp, useInterrupt, useMay, useSteer } from './actions';
import css from './Reply.module.css';
import { replyOf } from './turns';

interface ReplyProps {
  task: Task;
  turn: Turn;
  attempt: Attempt;
}

/** What can be said to the task now: an answer, a word to the agent that works, or what is to be done next. */
export function Reply({ task, turn, attempt: shown }: ReplyProps) {
  const { kind, attempt } = replyOf(turn, shown);
  const newest = task.turns.at(-1) === turn;
  const may = useMay();
  if (!newest || !may || kind === 'none') return null;
  if (kind === 'follow-up') return <FollowUp task={task} turn={turn} attempt={attempt} />;
  return <Say key={kind} task={task} turn={turn} attempt={attempt} kind={kind} />;
}

function Say({ task, turn, attempt, kind }: ReplyProps & { kind: 'answer' | 'steer' }) {
  const answer = useAnswer(task.id);
  const steer = useSteer(task.id);
  const interrupt = useInterrupt(task.id);
  const act = kind === 'answer' ? answer : steer;
  const [told, setTold] = useState('');
  const which = turn.attempts.length > 1 ? ` of attempt ${attempt.number}` : '';
  return (
    <section aria-label={kind === 'answer' ? 'Answer' : 'Tell the agent'} className={css.reply}>
      {kind === 'answer' && (
        <div className={css.question}>
          <b>The agent{which} asks</b>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable with the keyboard */}
          <div className={css.asked} tabIndex={0}>
            <Prose text={attempt.question ?? 'It waits for an answer.'} />
          </div>
        </div>
      )}
      <Writer
        task={task.id}
        placeholder={kind === 'answer' ? 'Your answer' : `Tell the agent${which} something while it works`}
        send={kind === 'answer' ? 'Answer' : 'Tell'}
        busy={act.isPending}
        onSend={async (text, key) => {
          await act.mutateAsync({ key, text, attempt: attempt.number });
          setTold(kind === 'answer' ? 'The answer is sent.' : 'The agent is told.');
        }}
      >
        {kind === 'steer' && (
          <Button
            look="quiet"
            busy={interrupt.isPending}
            title="The agent stops where it is, so that you can say how it goes on"
            onClick={() =>
              interrupt.mutate(attempt.number, {
                onSuccess: () => setTold('The agent is told to stop where it is.'),
              })
            }
          >
            Interrupt
          </Button>
        )}
      </Writer>
      <span className={css.told} role="status">
        {told}
      </span>
      <Refused error={act.error ?? interrupt.error} />
    </section>
  );
}

function FollowUp({ task, turn, attempt }: ReplyProps) {
  const followUp = useFollowUp(task.id);
  const navigate = useNavigate({ from: '/tasks/$id' });
  const comments = useQuery(commentsQuery(task.id));
  const [attempts, setAttempts] = useState(1);
  const [withComments, setWithComments] = useState(true);
  const open = (comments.data ?? []).filter(
    (comment) =>
      comment.turn === turn.number &&
      comment.attempt === attempt.number &&
      !comment.resolved_at &&
      !comment.sent_in_turn,
  ).length;
  const sends = withComments && open > 0;
  return (
    <section aria-label="Follow up" className={css.reply}>
      <Writer
        task={task.id}
        placeholder={
          turn.attempts.length > 1
            ? `What is to be done next, from attempt ${attempt.number}?`
            : 'What is to be done next?'
        }
        send="Follow up"
        busy={followUp.isPending}
        mayBeEmpty={sends}
        compact
        onSend={async (prompt, key) => {
          await followUp.mutateAsync({
            key,
            prompt,
            attempt: attempt.number,
            attempts,
            ...(sends && { comments: true as const }),
          });
          void navigate({ search: {}, replace: true });
        }}
      >
        {open > 0 && (
          <label className={css.option}>
            <input
              type="checkbox"
              checked={withComments}
              onChange={(event) => setWithComments(event.target.checked)}
            />
            with {counted(open, 'comment')}
          </label>
        )}
        <span className={css.option}>
          Attempts <Segments label="Attempts" values={[1, 2, 3, 4]} value={attempts} onChange={setAttempts} />
        </span>
      </Writer>
      <Refused error={followUp.error} />
    </section>
  );
}

/** What is being written to each task, so that it stays when an attempt ends meanwhile or another is looked at. */
const drafts = new Map<string, string>();

interface WriterProps {
  task: string;
  placeholder: string;
  send: string;
  busy: boolean;
  mayBeEmpty?: boolean;
  compact?: boolean;
  onSend: (text: string, key: string) => Promise<void>;
  children?: React.ReactNode;
}

/** A text that is sent once: what was written stays until the server has it. */
function Writer({
  task,
  placeholder,
  send,
  busy,
  mayBeEmpty = false,
  compact = false,
  onSend,
  children,
}: WriterProps) {
  const [text, setText] = useState(() => drafts.get(task) ?? '');
  const write = (to: string) => {
    setText(to);
    drafts.set(task, to);
  };
  const key = useRef(newKey());
  const ready = (text.trim() !== '' || mayBeEmpty) && !busy;
  const submit = async () => {
    if (!ready) return;
    try {
      await onSend(text, key.current);
      write('');
      key.current = newKey();
    } catch {
      // The refusal is shown beside; another text is another request.
    }
  };
  return (
    <form
      className={css.writer}
      // On a phone, what belongs to a text is there as soon as there is one.
      data-empty={(compact && text === '' && !mayBeEmpty) || undefined}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <textarea
        data-reply
        className={css.text}
        rows={1}
        aria-label={placeholder}
        placeholder={placeholder}
        value={text}
        onChange={(event) => {
          write(event.target.value);
          key.current = newKey();
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            void submit();
          }
        }}
      />
      <div className={css.options}>
        {children}
        <Button type="submit" look="main" disabled={!ready} busy={busy} title="Ctrl Enter">
          {send}
        </Button>
      </div>
    </form>
  );
}
