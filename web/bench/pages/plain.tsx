// The least that can be done: each file's text in one element, without layout while it is not in view.
import './plain.css';

const text = await (await fetch('/api/v1/attempts/att_1/diff')).text();
const root = document.getElementById('root');
for (const file of text.split(/^(?=diff --git )/m)) {
  const pre = document.createElement('pre');
  pre.textContent = file;
  root?.append(pre);
}
