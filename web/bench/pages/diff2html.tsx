import 'diff2html/bundles/css/diff2html.min.css';
import { html } from 'diff2html';

const text = await (await fetch('/api/v1/attempts/att_1/diff')).text();
const root = document.getElementById('root');
if (root) root.innerHTML = html(text, { outputFormat: 'line-by-line', drawFileList: true });
