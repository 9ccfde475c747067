import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import css from './Frame.module.css';
import { Shell } from './keys/Shell';
import { meQuery } from './session';

const PLACES = [
  { to: '/', text: 'Tasks' },
  { to: '/environments', text: 'Environments' },
  { to: '/workers', text: 'Workers' },
  { to: '/usage', text: 'Usage' },
  { to: '/settings', text: 'Settings' },
] as const;

/** What is around every page: where one can go, and the page. */
export function Frame() {
  const me = useQuery(meQuery);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useEffect(() => {
    // After a change of page, reading goes on there, also for who does not see it.
    if (before.current !== path) main.current?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);
  return (
    <>
      <a className={css.skip} href="#main">
        To the content
      </a>
      <header className={css.bar}>
        <Link to="/" className={css.brand} aria-label="Outwork: all tasks">
          Outwork
        </Link>
        <nav aria-label="Pages" className={css.places}>
          {PLACES.map(({ to, text }) => (
            <Link key={to} to={to} activeOptions={{ exact: to === '/' }} className={css.place}>
              {text}
            </Link>
          ))}
        </nav>
        <Shell />
        <Link to="/new" className={css.start}>
          New task
        </Link>
        {me.data && <span className={css.who}>{me.data.name}</span>}
      </header>
      <main id="main" ref={main} tabIndex={-1} className={css.main}>
        <Outlet />
      </main>
    </>
  );
}
