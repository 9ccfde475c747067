import { useRef, useState } from 'react';
import type { Attempt, Task, Turn } from '@/api/generated';
import { ApiError } from '@/api/problem';
import { Button } from '@/parts/Button';
import { Dialog, DialogEnd } from '@/parts/Dialog';
import { Field } from '@/parts/Field';
import field from '@/parts/Field.module.css';
import { Refused } from '@/parts/Refused';
import { newKey, usePublish } from './actions';

interface PullRequestProps {
  task: Task;
  turn: Turn;
  attempt: Attempt;
  onClose: () => void;
}

/** Asks for a branch and a pull request from an attempt's diff; what is left empty, the server fills in. */
export function PullRequest({ task, turn, attempt, onClose }: PullRequestProps) {
  const publish = usePublish(task.id);
  const [title, setTitle] = useState(task.title);
  const [body, setBody] = useState('');
  const [branch, setBranch] = useState('');
  const [base, setBase] = useState('');
  const [draft, setDraft] = useState(false);
  const repositories = (attempt.diffs ?? [])
    .filter(({ files_changed }) => files_changed > 0)
    .map(({ repository }) => repository);
  const [repository, setRepository] = useState(repositories[0]);
  const key = useRef(newKey());
  const fields = publish.error instanceof ApiError ? publish.error.fields : new Map<string, string>();
  const waiting = task.approval?.state === 'waiting' || task.approval?.state === 'rejected';
  return (
    <Dialog title={task.pull_request ? 'Update the pull request' : 'Open a pull request'} onClose={onClose}>
      <form
        style={{ display: 'grid', gap: 'var(--2)' }}
        // Another text is another request; the same one sent again is the same.
        onChange={() => {
          key.current = newKey();
        }}
        onSubmit={(event) => {
          event.preventDefault();
          publish.mutate(
            {
              key: key.current,
              turn: turn.number,
              attempt: attempt.number,
              draft,
              ...(repositories.length > 1 && repository !== undefined && { repository }),
              ...(title.trim() !== '' && { title: title.trim() }),
              ...(body.trim() !== '' && { body }),
              ...(branch.trim() !== '' && { branch: branch.trim() }),
              ...(base.trim() !== '' && { base: base.trim() }),
            },
            { onSuccess: onClose },
          );
        }}
      >
        {waiting && (
          <p>
            {task.approval?.state === 'rejected'
              ? 'Somebody rejected this result; it cannot leave until that is withdrawn.'
              : `It needs ${task.approval?.needed} approvals and has ${task.approval?.given.length}.`}
          </p>
        )}
        {repositories.length > 1 && (
          <Field label="Repository" wrong={fields.get('/repository')}>
            {(props) => (
              <select
                {...props}
                className={field.select}
                value={repository}
                onChange={(event) => setRepository(event.target.value)}
              >
                {repositories.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            )}
          </Field>
        )}
        <Field label="Title" wrong={fields.get('/title')}>
          {(props) => (
            <input
              {...props}
              className={field.text}
              value={title}
              onChange={(event) => setTitle(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Description"
          help="What the agent said when left empty. Files and reasons are added below it."
          wrong={fields.get('/body')}
        >
          {(props) => (
            <textarea
              {...props}
              className={field.area}
              value={body}
              onChange={(event) => setBody(event.target.value)}
            />
          )}
        </Field>
        <Field label="Branch" help="Made from the task when left empty." wrong={fields.get('/branch')}>
          {(props) => (
            <input
              {...props}
              className={field.text}
              value={branch}
              onChange={(event) => setBranch(event.target.value)}
            />
          )}
        </Field>
        <Field label="Into" wrong={fields.get('/base')}>
          {(props) => (
            <input
              {...props}
              className={field.text}
              placeholder={task.branch ?? 'the default branch'}
              value={base}
              onChange={(event) => setBase(event.target.value)}
            />
          )}
        </Field>
        <label className={field.check}>
          <input type="checkbox" checked={draft} onChange={(event) => setDraft(event.target.checked)} /> As a
          draft
        </label>
        <Refused error={publish.error} />
        <DialogEnd>
          <Button onClick={onClose}>Not now</Button>
          <Button type="submit" look="main" busy={publish.isPending}>
            {task.pull_request ? 'Update' : 'Open'} pull request
          </Button>
        </DialogEnd>
      </form>
    </Dialog>
  );
}
