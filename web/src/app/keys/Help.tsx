import { useState } from 'react';
import { Dialog } from '@/parts/Dialog';
import css from './Help.module.css';
import { bindings, keysOn, setKeysOn } from './keys';

/** Which keys do what on this page. */
export function Help({ onClose }: { onClose: () => void }) {
  const [on, setOn] = useState(keysOn);
  const groups = new Map<string, { keys: string; text: string }[]>();
  for (const { group, keys, act } of bindings()) {
    const of = groups.get(group) ?? [];
    of.push({ keys, text: act.text });
    groups.set(group, of);
  }
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      <div className={css.groups}>
        {[...groups].map(([group, all]) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl className={css.keys}>
              {all.map(({ keys, text }) => (
                <div key={keys + text}>
                  <dt>
                    {keys.split(' ').map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{text}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <section>
          <h3>Everywhere</h3>
          <dl className={css.keys}>
            <div>
              <dt>
                <kbd>Ctrl</kbd>
                <kbd>K</kbd>
              </dt>
              <dd>All commands</dd>
            </div>
            <div>
              <dt>
                <kbd>Ctrl</kbd>
                <kbd>↵</kbd>
              </dt>
              <dd>Send what is written</dd>
            </div>
          </dl>
        </section>
      </div>
      <label className={css.on}>
        <input
          type="checkbox"
          checked={on}
          onChange={(event) => {
            setKeysOn(event.target.checked);
            setOn(event.target.checked);
          }}
        />{' '}
        Single keys do something in this browser
      </label>
    </Dialog>
  );
}
