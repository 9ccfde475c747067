import { useEffect, useRef } from 'react';

/** What a key does; without a text it does nothing now and is listed nowhere. */
export interface Act {
  text: string;
  run: () => void;
}

export interface Binding {
  group: string;
  keys: string;
  act: Act;
}

const registered = new Set<{ group: string; acts: { current: Record<string, Act> } }>();

/** Binds keys (`r`, `g t`) for as long as the part is on the page; the palette lists the same. */
export function useKeys(group: string, acts: Record<string, Act>): void {
  const current = useRef(acts);
  current.current = acts;
  useEffect(() => {
    const entry = { group, acts: current };
    registered.add(entry);
    return () => {
      registered.delete(entry);
    };
  }, [group]);
}

/** All that can be done here; what came later, and so is nearer to what is seen, first. */
export function bindings(): Binding[] {
  return [...registered]
    .reverse()
    .flatMap(({ group, acts }) => Object.entries(acts.current).map(([keys, act]) => ({ group, keys, act })))
    .filter(({ act }) => act.text !== '');
}

const KEY = 'outwork.keys';
/** Who dictates or has other keys of their own can turn these off. */
export const keysOn = () => localStorage.getItem(KEY) !== 'off';
export const setKeysOn = (on: boolean) =>
  on ? localStorage.removeItem(KEY) : localStorage.setItem(KEY, 'off');

/** How long the second key of a pair may take. */
const PAIR_MS = 1_200;

/** Finds what keys mean that are pressed one after the other. */
export class Presses {
  private before = '';
  private at = 0;

  /** The keys that were pressed, if they are bound: a pair goes before a single key. */
  press(key: string, now: number, bound: (keys: string) => boolean): string | undefined {
    const pair = now - this.at < PAIR_MS && this.before !== '' ? `${this.before} ${key}` : '';
    this.before = key;
    this.at = now;
    if (pair !== '' && bound(pair)) {
      this.before = '';
      return pair;
    }
    return bound(key) ? key : undefined;
  }
}

const TYPING =
  'input:not([type="checkbox"], [type="radio"]), textarea, select, [contenteditable="true"], dialog, [role="menu"]';

export const isTyping = (target: EventTarget | null) =>
  target instanceof Element && target.closest(TYPING) !== null;

/** Listens for all keys that are bound. */
export function useKeyboard(): void {
  useEffect(() => {
    const presses = new Presses();
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing)
        return;
      if (event.key === 'Escape' && isTyping(event.target)) (event.target as HTMLElement).blur();
      if (!keysOn() || isTyping(event.target) || document.querySelector('dialog[open]')) return;
      // A part may have keys of its own, wherever the focus is.
      const part = document.querySelector<HTMLElement>('[data-own-keys]');
      if (part?.dataset.ownKeys?.split(' ').includes(event.key)) {
        const inside = part.querySelector<HTMLElement>('section[tabindex="0"]') ?? part;
        if (inside.contains(event.target as Node)) return;
        event.preventDefault();
        inside.focus({ preventScroll: true });
        inside.dispatchEvent(new KeyboardEvent('keydown', { key: event.key, bubbles: true }));
        return;
      }
      const all = bindings();
      const keys = presses.press(event.key, event.timeStamp, (keys) => all.some((one) => one.keys === keys));
      const found = all.find((one) => one.keys === keys);
      if (!found) return;
      event.preventDefault();
      found.act.run();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
}
