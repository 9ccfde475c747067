import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { call } from '@/api/call';
import {
  addComment,
  type Comment,
  type CommentPatch,
  changeComment,
  deleteComment,
  type NewComment,
} from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Plain } from '@/parts/Plain';
import css from './Comments.module.css';

/** What is said about one place. */
export function CommentThread({ comments, me }: { comments: Comment[]; me: string | undefined }) {
  return (
    <ul className={css.thread} aria-label="Comments">
      {comments.map((comment) => (
        <li key={comment.id}>
          <One comment={comment} mine={comment.author.id === me} />
        </li>
      ))}
    </ul>
  );
}

function One({ comment, mine }: { comment: Comment; mine: boolean }) {
  const [editing, setEditing] = useState(false);
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries({ queryKey: ['task', comment.task_id, 'comments'] });
  const path = { id: comment.id };
  const change = (body: CommentPatch) => call(changeComment({ path, body }));
  const resolve = useMutation({
    mutationFn: (resolved: boolean) => change({ resolved }),
    onSettled: again,
  });
  const edit = useMutation({
    mutationFn: (text: string) => change({ text }),
    onSuccess: () => setEditing(false),
    onSettled: again,
  });
  const remove = useMutation({ mutationFn: () => call<unknown>(deleteComment({ path })), onSettled: again });
  const resolved = comment.resolved_at != null;
  const error = resolve.error ?? edit.error ?? remove.error;
  if (editing)
    return (
      <CommentForm
        label={`Your comment on ${where(comment)}`}
        text={comment.text}
        send="Save"
        busy={edit.isPending}
        error={edit.error}
        onSend={(text) => edit.mutate(text)}
        onClose={() => setEditing(false)}
      />
    );
  return (
    <article className={`${css.comment} ${resolved ? css.resolved : ''}`}>
      <header className={css.about}>
        <strong>
          <Plain text={comment.author.name} />
        </strong>
        <Ago at={comment.created_at} />
        <span>{where(comment)}</span>
        {resolved && <span className={css.state}>✓ resolved</span>}
        {comment.sent_in_turn != null && (
          <span className={css.state}>sent with turn {comment.sent_in_turn}</span>
        )}
      </header>
      <p className={css.text}>
        <Plain text={comment.text} lines />
      </p>
      {error && (
        <p role="alert" className={css.error}>
          {error.message}
        </p>
      )}
      <div className={css.does}>
        <Button look="quiet" busy={resolve.isPending} onClick={() => resolve.mutate(!resolved)}>
          {resolved ? 'Open again' : 'Resolve'}
        </Button>
        {mine && (
          <>
            <Button look="quiet" onClick={() => setEditing(true)}>
              Edit
            </Button>
            <Button look="quiet" busy={remove.isPending} onClick={() => remove.mutate()}>
              Delete
            </Button>
          </>
        )}
      </div>
    </article>
  );
}

function where({ line, end_line, side, attempt }: Comment): string {
  if (line == null) return `on the file, attempt ${attempt}`;
  const lines = end_line != null && end_line !== line ? `lines ${line}–${end_line}` : `line ${line}`;
  return `${side === 'old' ? 'removed ' : ''}${lines}, attempt ${attempt}`;
}

/** A comment that is being written about a place. */
export function NewCommentForm({
  task,
  about,
  onClose,
}: {
  task: string;
  about: Omit<NewComment, 'text'>;
  onClose: () => void;
}) {
  const queries = useQueryClient();
  const add = useMutation({
    mutationFn: (text: string) => call(addComment({ path: { id: task }, body: { ...about, text } })),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['task', task, 'comments'] });
      onClose();
    },
  });
  const { line, end_line, side } = about;
  const place =
    line == null
      ? about.path
      : `${side === 'old' ? 'removed ' : ''}${end_line && end_line !== line ? `lines ${line}–${end_line}` : `line ${line}`}`;
  return (
    <CommentForm
      label={`Comment on ${place}`}
      text=""
      send="Comment"
      busy={add.isPending}
      error={add.error}
      onSend={(text) => add.mutate(text)}
      onClose={onClose}
    />
  );
}

function CommentForm({
  label,
  text: initial,
  send,
  busy,
  error,
  onSend,
  onClose,
}: {
  label: string;
  text: string;
  send: string;
  busy: boolean;
  error: Error | null;
  onSend: (text: string) => void;
  onClose: () => void;
}) {
  const [text, setText] = useState(initial);
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus({ preventScroll: true }), []);
  const submit = (event: FormEvent | KeyboardEvent) => {
    event.preventDefault();
    if (text.trim() && !busy) onSend(text.trim());
  };
  return (
    <form className={css.form} onSubmit={submit}>
      <label htmlFor={id}>
        <Plain text={label} />
      </label>
      <textarea
        ref={field}
        id={id}
        rows={3}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit(event);
          if (event.key === 'Escape' && text.trim() === initial.trim()) onClose();
        }}
      />
      {error && (
        <p role="alert" className={css.error}>
          {error.message}
        </p>
      )}
      <div className={css.does}>
        <Button type="submit" look="main" busy={busy} disabled={!text.trim()}>
          {send}
        </Button>
        <Button look="quiet" onClick={onClose}>
          Cancel
        </Button>
        <span className={css.hint}>
          <kbd>Ctrl</kbd> <kbd>Enter</kbd> sends
        </span>
      </div>
    </form>
  );
}
