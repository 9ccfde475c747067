/** What the reader wants: the system's theme unless said otherwise. */
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'outwork.theme';

export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

export function setTheme(to: Theme): void {
  if (to === 'system') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, to);
  applyTheme();
}

export function applyTheme(): void {
  const wanted = theme();
  if (wanted === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = wanted;
}
