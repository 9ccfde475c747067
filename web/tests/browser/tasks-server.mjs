// The built page with a server behind it that does what a test says: what is shown, when it changes, when the server is away.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
// As the real server sends it: whatever it forbids is an error in the page's console, and so fails the test.
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self'; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

export const at = (seconds = 0) => new Date(Date.UTC(2026, 10, 30, 10) - seconds * 1000).toISOString();
export const stat = (files_changed = 0, lines_added = 0, lines_removed = 0) => ({
  files_changed,
  lines_added,
  lines_removed,
});

export const summary = (number, more = {}) => ({
  id: `task_${number}`,
  url: '',
  title: `Task number ${number}`,
  status: 'completed',
  outcome: 'succeeded',
  is_review: false,
  attempt_total: 1,
  summary: stat(2, 10, 3),
  environment_id: 'env_1',
  environment_label: number % 2 ? 'payments' : 'website',
  created_at: at(100_000 - number),
  updated_at: at(100_000 - number),
  ...more,
});

export const attempt = (number, more = {}) => ({
  id: `att_${number}`,
  number,
  state: 'succeeded',
  cancelling: false,
  tries: 1,
  diff: stat(2, 10, 3),
  diffs: [],
  ended_at: at(10),
  ...more,
});

export const task = (number, attempts, more = {}) => ({
  ...summary(number),
  attempt_total: attempts.length,
  commit: 'ac8f738ff34ac8f738ff34ac8f738ff34ac8f738',
  branch: 'main',
  turns: [{ id: 'turn_1', number: 1, created_at: at(1000), prompt: 'Do it', attempts }],
  ...more,
});

/** A server on a port of its own. */
export class Server {
  tasks = [];
  full = new Map();
  logs = new Map();
  /** What was sent to it: method, path, body, key. */
  requests = [];
  /** Answers instead of the usual ones, by `METHOD /path`. */
  answers = new Map();
  away = false;
  #streams = new Set();
  #changes = new Set();

  static async start() {
    const server = new Server();
    server.http = createServer((request, response) => {
      server.#answer(request, response).catch((error) => response.destroy(error));
    });
    await new Promise((done) => server.http.listen(0, '127.0.0.1', done));
    server.url = `http://127.0.0.1:${server.http.address().port}`;
    return server;
  }

  async stop() {
    this.http.closeAllConnections();
    await new Promise((done) => this.http.close(done));
  }

  /** Streams break off and everything is refused, as while a server restarts. */
  goAway() {
    this.away = true;
    for (const { response } of this.#streams) response.destroy();
    for (const response of this.#changes) response.destroy();
  }

  comeBack() {
    this.away = false;
  }

  /** Something happened in an attempt. */
  log(attempt, ...bodies) {
    const log = this.logs.get(attempt) ?? [];
    this.logs.set(attempt, log);
    for (const body of bodies) {
      const event = { seq: log.length + 1, at: at(500), epoch: 1, ...body };
      log.push(event);
      for (const stream of this.#streams) if (stream.attempt === attempt) stream.response.write(sent(event));
    }
  }

  /** A task is as given now, and whoever listens is told. */
  set(task) {
    this.full.set(task.id, task);
    const { turns: _, ...short } = task;
    const index = this.tasks.findIndex(({ id }) => id === task.id);
    if (index < 0) this.tasks.unshift(short);
    else this.tasks[index] = short;
    const change = `event: task\ndata: ${JSON.stringify({ type: 'task', id: task.id, updated_at: task.updated_at })}\n\n`;
    for (const response of this.#changes) response.write(change);
  }

  async #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    if (!pathname.startsWith('/api/')) return this.#file(pathname, response);
    if (this.away)
      return json(response, 503, {
        code: 'unavailable',
        detail: 'It restarts.',
        title: '',
        status: 503,
        type: '',
      });
    let body = '';
    for await (const piece of request) body += piece;
    const path = pathname.slice('/api/v1'.length);
    if (request.method !== 'GET') {
      this.requests.push({
        method: request.method,
        path,
        body: body === '' ? undefined : JSON.parse(body),
        key: request.headers['idempotency-key'],
      });
    }
    const special = this.answers.get(`${request.method} ${path}`);
    if (special) {
      const answer = typeof special === 'function' ? special() : special;
      return answer === 'break'
        ? response.destroy()
        : json(response, answer.status ?? 200, answer.body ?? {});
    }
    if (path === '/me')
      return json(response, 200, {
        principal_id: 'p',
        kind: 'user',
        name: 'admin',
        workspace_id: 'w',
        workspace_name: 'w',
        server_version: '1',
      });
    if (path === '/environments') {
      const environment = (label) => ({
        id: `env_${label}`,
        label,
        agent: { name: 'codex' },
        repository_url: `https://git.example/${label}`,
        revision: 1,
        setup_timeout_seconds: 1,
        timeout_seconds: 1,
        created_at: at(),
        updated_at: at(),
      });
      return json(response, 200, { items: [environment('payments'), environment('website')] });
    }
    if (path === '/changes') return stream(response, this.#changes, response);
    if (path === '/tasks' && request.method === 'GET') return json(response, 200, this.#page(searchParams));
    const events = /^\/attempts\/(\w+)\/events$/.exec(path);
    if (events) {
      const after = Number(searchParams.get('after') ?? 0);
      const own = { attempt: events[1], response };
      stream(response, this.#streams, own);
      response.write(
        (this.logs.get(events[1]) ?? [])
          .filter(({ seq }) => seq > after)
          .map(sent)
          .join(''),
      );
      return;
    }
    if (/^\/attempts\/\w+\/diff$/.test(path)) {
      response.writeHead(200, { 'content-type': 'text/x-diff' });
      return response.end('diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+b\n');
    }
    if (/^\/tasks\/\w+\/publications$/.test(path)) return json(response, 200, { items: [] });
    const found = this.full.get(path.slice('/tasks/'.length).split('/')[0]);
    if (found && (request.method !== 'GET' || path === `/tasks/${found.id}`))
      return json(response, 200, found);
    return json(response, 404, {
      code: 'not_found',
      detail: 'There is no such thing.',
      title: '',
      status: 404,
      type: '',
    });
  }

  #page(query) {
    const from = Number(query.get('cursor') ?? 0);
    const all = this.tasks.filter(
      ({ environment_label }) => !query.has('environment') || environment_label === query.get('environment'),
    );
    const to = from + Number(query.get('limit') ?? 20);
    return { items: all.slice(from, to), ...(to < all.length && { next_cursor: String(to) }) };
  }

  async #file(path, response) {
    const file = extname(path) === '' ? 'index.html' : normalize(path);
    const text = await readFile(join(DIST, file)).catch(() => undefined);
    response.writeHead(text ? 200 : 404, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-security-policy': CSP,
    });
    response.end(text);
  }
}

const sent = (event) => `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

function json(response, status, body) {
  response.writeHead(status, {
    'content-type': status < 400 ? 'application/json' : 'application/problem+json',
  });
  response.end(JSON.stringify(body));
}

function stream(response, all, entry) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(': here\n\n');
  all.add(entry);
  response.on('close', () => all.delete(entry));
}

/** A server, a browser and a page; what the page complains of is in `errors`. */
export async function open(context, { width = 1280, height = 800, theme = 'light' } = {}) {
  const server = await Server.start();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    // What the server refuses is part of the tests.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      errors.push(message.text());
  });
  page.on('dialog', (dialog) => {
    errors.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.setDefaultTimeout(30_000);
  context.after(async () => {
    await browser.close();
    await server.stop();
  });
  const go = async (path) => page.goto(server.url + path);
  return { server, page, go, errors };
}
