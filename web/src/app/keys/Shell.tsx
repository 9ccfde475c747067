import { useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { onSignedOut, useLiveness } from '@/api/live';
import { queryClient } from '@/api/queries';
import { Help } from './Help';
import { useKeyboard, useKeys } from './keys';
import { Palette } from './Palette';
import css from './Shell.module.css';

/** What is there on every page without being a part of one: keys, the palette, and whether the server answers. */
export function Shell() {
  const [open, setOpen] = useState<'palette' | 'help'>();
  const live = useLiveness();
  const navigate = useNavigate();
  useKeyboard();
  useKeys('Go to', {
    'g t': { text: 'Tasks', run: () => void navigate({ to: '/' }) },
    'g e': { text: 'Environments', run: () => void navigate({ to: '/environments' }) },
    'g w': { text: 'Workers', run: () => void navigate({ to: '/workers' }) },
    'g u': { text: 'Usage', run: () => void navigate({ to: '/usage' }) },
    'g s': { text: 'Settings', run: () => void navigate({ to: '/settings' }) },
    c: { text: 'New task', run: () => void navigate({ to: '/new' }) },
    '?': { text: 'Keys', run: () => setOpen('help') },
  });
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== 'k') return;
      event.preventDefault();
      setOpen((open) => (open === 'palette' ? undefined : 'palette'));
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
  useEffect(
    () =>
      onSignedOut(() => {
        queryClient.clear();
        void navigate({ to: '/sign-in', search: { to: location.pathname + location.search } });
      }),
    [navigate],
  );
  const close = () => setOpen(undefined);
  return (
    <>
      <button type="button" className={css.open} onClick={() => setOpen('palette')}>
        <span className="visually-hidden">Commands </span>
        <kbd>Ctrl K</kbd>
      </button>
      <span role="status" className={live === 'away' ? css.away : 'visually-hidden'}>
        {live === 'away' ? 'The server does not answer; trying again…' : ''}
      </span>
      {open === 'palette' && <Palette onClose={close} />}
      {open === 'help' && <Help onClose={close} />}
    </>
  );
}
