import { useMutation } from '@tanstack/react-query';
import { useRouter, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { ApiError } from '@/api/problem';
import { ownPath, signIn } from '@/app/session';
import { Button } from '@/parts/Button';
import css from './SignIn.module.css';

/** Takes a token once; afterwards the browser has a cookie that no script can read. */
export function SignIn() {
  const [token, setToken] = useState('');
  const { to } = useSearch({ from: '/sign-in' });
  const router = useRouter();
  const attempt = useMutation({
    mutationFn: signIn,
    onSuccess: () => router.history.push(ownPath(to)),
  });
  return (
    <main className={css.page}>
      <form
        className={css.form}
        onSubmit={(event) => {
          event.preventDefault();
          attempt.mutate(token.trim());
        }}
      >
        <h1>Sign in to Outwork</h1>
        <label htmlFor="token">Token</label>
        <input
          id="token"
          type="password"
          autoComplete="current-password"
          required
          value={token}
          onChange={(event) => setToken(event.target.value)}
          aria-describedby="token-help"
          aria-invalid={attempt.isError || undefined}
        />
        <p id="token-help" className={css.help}>
          It begins with <code>ow_</code>. On the machine that runs the server it is in the file that{' '}
          <code>outwork up</code> names when it starts; others get one from an administrator.
        </p>
        {attempt.error && (
          <p role="alert" className={css.error}>
            {attempt.error.message}{' '}
            {attempt.error instanceof ApiError && attempt.error.status !== 401 && attempt.error.hint}
          </p>
        )}
        <Button type="submit" look="main" busy={attempt.isPending}>
          Sign in
        </Button>
      </form>
    </main>
  );
}
