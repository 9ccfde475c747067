import { Link } from '@tanstack/react-router';
import css from './SettingsNav.module.css';

const PAGES = [
  { to: '/settings', text: 'Workspace' },
  { to: '/integrations', text: 'Integrations' },
  { to: '/webhooks', text: 'Webhooks' },
  { to: '/schedules', text: 'Schedules' },
] as const;

/** The pages of what is set once and then works by itself. */
export const SettingsNav = () => (
  <nav aria-label="Settings" className={css.pages}>
    {PAGES.map(({ to, text }) => (
      <Link key={to} to={to}>
        {text}
      </Link>
    ))}
  </nav>
);
