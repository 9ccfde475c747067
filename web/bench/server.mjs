// The page as the server serves it, with the same content security policy, and an API that answers from memory.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

export const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src-elem 'self'",
  "style-src-attr 'unsafe-inline'",
  "connect-src 'self'",
  "font-src 'self'",
  "worker-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** Serves `root`, and below /api what `api` answers. */
export function serve(root, api, { csp = CSP, port = 0, fallback = 'index.html' } = {}) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://x');
    if (url.pathname.startsWith('/api/')) {
      const body = await read(request);
      const answer = api({ method: request.method, path: url.pathname, query: url.searchParams, body });
      const { status = answer === undefined ? 404 : 200, type = 'application/json', data } = answer ?? {};
      response.writeHead(status, { 'content-type': status === 404 ? 'application/problem+json' : type });
      response.end(
        typeof data === 'string'
          ? data
          : JSON.stringify(data ?? { status, code: 'not_found', detail: 'There is no such thing.' }),
      );
      return;
    }
    const send = async (path) => {
      const content = await readFile(join(root, normalize(path)));
      response.writeHead(200, {
        'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
        'content-security-policy': csp,
      });
      response.end(content);
    };
    await send(url.pathname).catch(() => send(fallback).catch(() => response.writeHead(404).end()));
  });
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () =>
      resolve({ url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() }),
    );
  });
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const text = Buffer.concat(parts).toString();
  return text ? JSON.parse(text) : undefined;
}

/** What the API says of one task with these attempts' patches. */
export function memory(patches) {
  const comments = [];
  const viewed = [];
  const approval = { needed: 1, given: [], rejected: [], state: 'waiting' };
  const compositions = [];
  const me = { id: 'usr_1', name: 'Ada', role: 'admin', kind: 'user', workspace: 'default' };
  const attempts = patches.map((patch, i) => ({
    id: `att_${i + 1}`,
    number: i + 1,
    state: 'succeeded',
    tries: 1,
    cancelling: false,
    diff: { files_changed: 1, lines_added: patch.length, lines_removed: 0 },
    diffs: [{ repository: 'main', files_changed: 1, lines_added: 1, lines_removed: 0 }],
  }));
  const parts = patches.map(partsOf);
  const data = (data, more) => ({ data, ...more });
  const answer = ({ method, path, body, query }) => {
    const [, , , kind, id, what, deeper] = path.split('/');
    const attempt = kind === 'attempts' ? Number(id?.slice(4)) : 0;
    if (kind === 'me') return data(me);
    if (kind === 'attempts' && what === 'diff' && deeper === 'parts') return data(parts[attempt - 1]);
    if (kind === 'attempts' && what === 'diff') return data(patches[attempt - 1], { type: 'text/x-diff' });
    if (kind === 'attempts' && what === 'viewed' && method === 'GET') return data({ items: viewed });
    if (kind === 'attempts' && what === 'viewed') {
      const at = viewed.findIndex((one) => one.path === body.path);
      if (at >= 0) viewed.splice(at, 1);
      if (body.viewed) viewed.push({ path: body.path, viewed_at: new Date().toISOString() });
      return data({});
    }
    if (kind === 'tasks' && what === 'comments' && method === 'GET') return data({ items: comments });
    if (kind === 'tasks' && what === 'comments') {
      const at = new Date().toISOString();
      comments.push({
        ...body,
        id: `cmt_${comments.length}`,
        task_id: id,
        author: me,
        created_at: at,
        updated_at: at,
      });
      return data(comments.at(-1), { status: 201 });
    }
    if (kind === 'comments') {
      const at = comments.findIndex((one) => one.id === id);
      if (method === 'DELETE') return data(comments.splice(at, 1)[0]);
      if (body.text) comments[at].text = body.text;
      if (body.resolved !== undefined)
        comments[at].resolved_at = body.resolved ? new Date().toISOString() : null;
      return data(comments[at]);
    }
    if (kind === 'tasks' && what === 'approvals') {
      const one = { by: me, at: new Date().toISOString(), text: body.text };
      approval.given = body.verdict === 'approve' ? [one] : [];
      approval.rejected = body.verdict === 'reject' ? [one] : [];
      approval.state = { approve: 'approved', reject: 'rejected', withdraw: 'waiting' }[body.verdict];
      return data({});
    }
    if (kind === 'tasks' && what === 'compositions') {
      if (body.dry_run) return data(patches[0].slice(0, 2_000), { type: 'text/x-diff' });
      compositions.push(body);
      return data({ number: 2 }, { status: 201 });
    }
    if (kind === 'tasks' && !what)
      return data({ id, approval, turns: [{ number: 1, attempts }], query: String(query) });
    return undefined;
  };
  return { answer, attempts, comments, viewed, compositions, approval };
}

export function partsOf(patch) {
  const files = [];
  for (const line of patch.split('\n')) {
    const name = /^diff --git a\/.* b\/(.*)$/.exec(line);
    if (name) files.push({ id: hash(line), path: name[1], hunks: [] });
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line);
    if (hunk)
      files.at(-1)?.hunks.push({
        id: hash(files.at(-1).path + line),
        header: line,
        old_start: Number(hunk[1]),
        old_lines: Number(hunk[2] ?? 1),
        new_start: Number(hunk[3]),
        new_lines: Number(hunk[4] ?? 1),
      });
  }
  return { files };
}

const hash = (text) => createHash('sha256').update(text).digest('hex').slice(0, 24);
