// A real server with real tasks, and a real browser: Debian's Chromium, driven by playwright-core.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const OUTWORK = process.env.OUTWORK_BIN ?? join(root, 'target/debug/outwork');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const AXE = readFileSync(
  fileURLToPath(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url)),
  'utf8',
);
/** The page of `npm run build` in place of the one in the binary, which then need not be built anew: OUTWORK_PAGE=dist */
const PAGE = process.env.OUTWORK_PAGE;
/** How long anything may take on a busy machine. */
export const PATIENCE_MS = 60_000;

/** `outwork up` in a directory of its own. */
export class Outwork {
  static async start(...flags) {
    const outwork = new Outwork();
    outwork.flags = flags;
    outwork.directory = mkdtempSync(join(tmpdir(), 'outwork-browser-'));
    outwork.port = await freePort();
    await outwork.up();
    return outwork;
  }

  /** Starts the server, also once more after `kill`, at the same address. */
  async up() {
    const data = join(this.directory, 'data');
    const args = ['up', '--data-dir', data, '--listen', `127.0.0.1:${this.port}`, '--json', ...this.flags];
    this.process = spawn(OUTWORK, args, { stdio: ['ignore', 'pipe', 'pipe'], env: this.env() });
    this.log = '';
    this.process.stderr.on('data', (chunk) => {
      this.log += chunk;
    });
    const ready = await firstLine(this.process.stdout, () => this.log);
    const { url, token_file: file } = JSON.parse(ready);
    this.url = url;
    this.token = readFileSync(file, 'utf8').trim();
  }

  env() {
    const { PATH, HOME } = process.env;
    return {
      PATH,
      HOME,
      LANG: 'C.UTF-8',
      OUTWORK_CONFIG_DIR: join(this.directory, 'config'),
      ...(this.url && { OUTWORK_URL: this.url, OUTWORK_TOKEN: this.token }),
    };
  }

  /** Runs a command of the CLI; its standard output. */
  cli(...args) {
    return execFileSync(OUTWORK, args, {
      encoding: 'utf8',
      env: this.env(),
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** The same, as JSON. */
  json(...args) {
    const lines = this.cli(...args, '--json')
      .trim()
      .split('\n');
    return JSON.parse(lines.at(-1));
  }

  /** Asks the API. */
  async api(method, path, body) {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.status === 204 ? undefined : answer.json();
  }

  /** Writes a file beside the server's data; its path. */
  write(name, content) {
    const path = join(this.directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  /** A repository with these files in one commit; its path. */
  repository(files) {
    const path = mkdtempSync(join(this.directory, 'repository-'));
    git(path, 'init', '-q', '-b', 'main');
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), content);
    }
    git(path, 'add', '.');
    git(path, '-c', 'user.name=Test', '-c', 'user.email=test@example.invalid', 'commit', '-q', '-m', 'Begin');
    return path;
  }

  /** An environment whose agent is a script of bash; the prompt is its standard input. */
  environment(label, repository, script, ...more) {
    return this.json(
      'env',
      'create',
      label,
      '--repo',
      repository,
      '--agent',
      'command',
      '--agent-command',
      script,
      ...more,
    );
  }

  /** `kill -9`. */
  async kill() {
    this.process.kill('SIGKILL');
    await exited(this.process);
  }

  async stop() {
    this.process.kill('SIGTERM');
    await exited(this.process);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** One browser for all tests of a file. */
export async function launch() {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/**
 * Somebody with a window of their own, signed in. What the page complains of, refused scripts and styles of the content
 * security policy included, is in `complaints`.
 */
export async function person(browser, outwork, { token = outwork.token, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !/Failed to load resource/.test(text)) complaints.push(text);
  });
  if (PAGE) await replacePage(context, outwork.url);
  if (token) {
    const answer = await context.request.post(`${outwork.url}/sign-in`, { data: { token } });
    assert.equal(answer.status(), 204);
  }
  return { context, page, complaints, open: (path) => page.goto(`${outwork.url}${path}`) };
}

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Files come from `PAGE` with the server's own headers; all else is the server's. */
async function replacePage(context, url) {
  const { headers } = await fetch(url);
  const kept = ['content-security-policy', 'x-frame-options', 'referrer-policy', 'x-content-type-options'];
  const common = Object.fromEntries(
    kept.map((name) => [name, headers.get(name)]).filter(([, value]) => value),
  );
  const isFile = (address) => address.href.startsWith(`${url}/`) && !address.pathname.startsWith('/api/');
  await context.route(isFile, async (route) => {
    if (route.request().method() !== 'GET') return route.fallback();
    const { pathname } = new URL(route.request().url());
    const named = join(PAGE, pathname);
    const path = extname(pathname) && existsSync(named) ? named : join(PAGE, 'index.html');
    await route.fulfill({ path, headers: { ...common, 'content-type': TYPES[extname(path)] } });
  });
}

/** Fails with what axe finds on the page as it is, in both themes. */
export async function accessible(page) {
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() =>
      globalThis.axe.run(document, { resultTypes: ['violations'] }),
    );
    const found = violations.map(({ id, help, nodes }) => ({
      id,
      help,
      nodes: nodes.slice(0, 5).map((node) => `${node.target} ${node.failureSummary}`),
    }));
    assert.deepEqual(found, [], `axe, ${theme}, ${page.url()}`);
  }
}

/** Clicks on the number of the diff's line with that text. */
export async function clickNumber(page, text) {
  const line = page.getByText(text);
  await line.scrollIntoViewIfNeeded();
  const { x, y } = await line.boundingBox();
  await page.mouse.click(x + 8, y + 8);
}

/** Asks until it is so; fails with the last answer. */
export async function until(ask, is = Boolean) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const last = await ask();
    if (is(last)) return last;
    assert.ok(Date.now() < end, `it never came so far; last: ${JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function git(path, ...args) {
  execFileSync('git', ['-C', path, ...args], { stdio: 'pipe' });
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function exited(process) {
  if (process.exitCode !== null || process.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => process.once('exit', resolve));
}

function firstLine(stream, log) {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => reject(new Error(`not ready: ${log()}`)), PATIENCE_MS);
    stream.on('data', (chunk) => {
      text += chunk;
      if (!text.includes('\n')) return;
      clearTimeout(timer);
      resolve(text.split('\n')[0]);
    });
    stream.on('end', () => reject(new Error(`ended: ${text}${log()}`)));
  });
}
