// A stand-in for a GitHub Enterprise Server: real git over HTTP, and the calls that a pull request needs.
import { execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';

/** May push, and open pull requests. */
export const PUSH_TOKEN = 'canary-of-a-push-token';

export class Forge {
  pulls = [];

  /** Serves the repository as `team/repo.git`. */
  static async start(repository) {
    const forge = new Forge();
    forge.root = join(repository, '.git', 'served');
    forge.bare = join(forge.root, 'team/repo.git');
    execFileSync('git', ['clone', '-q', '--bare', repository, forge.bare], { stdio: 'pipe' });
    forge.git('config', 'http.receivepack', 'true');
    forge.server = createServer((request, response) => {
      forge.#answer(request, response).catch((error) => response.destroy(error));
    });
    await new Promise((resolve) => forge.server.listen(0, '127.0.0.1', resolve));
    forge.host = `127.0.0.1:${forge.server.address().port}`;
    return forge;
  }

  get url() {
    return `http://${this.host}/team/repo.git`;
  }

  get api() {
    return `http://${this.host}/api/v3`;
  }

  git(...args) {
    return execFileSync('git', ['-C', this.bare, ...args], { encoding: 'utf8', stdio: 'pipe' });
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async #answer(request, response) {
    const { pathname, search } = new URL(request.url, `http://${this.host}`);
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    const rest = pathname.split('/api/v3/repos/team/repo')[1];
    if (rest === undefined) return this.#backend(request, response, pathname, search.slice(1), body);
    const [status, answer] = this.#call(request, rest, body);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  }

  #call({ method, headers }, rest, body) {
    if (headers.authorization !== `Bearer ${PUSH_TOKEN}`) return [401, { message: 'Bad credentials' }];
    if (method === 'GET' && rest === '/pulls') return [200, this.pulls.map((pull) => this.#shown(pull))];
    if (method === 'POST' && rest === '/pulls') {
      this.pulls.push({ ...JSON.parse(body), number: this.pulls.length + 1 });
      return [201, this.#shown(this.pulls.at(-1))];
    }
    const pull = this.pulls.find(({ number }) => rest === `/pulls/${number}`);
    if (method === 'PATCH' && pull) {
      Object.assign(pull, JSON.parse(body));
      return [200, this.#shown(pull)];
    }
    return [404, { message: 'Not Found' }];
  }

  #shown({ number, title, body, draft, head }) {
    const html_url = `http://${this.host}/team/repo/pull/${number}`;
    return { number, html_url, title, body, draft, head: { ref: head, repo: { full_name: 'team/repo' } } };
  }

  async #backend(request, response, path, query, body) {
    const { headers, method } = request;
    const writes = query.includes('git-receive-pack') || path.endsWith('/git-receive-pack');
    const expected = `Basic ${Buffer.from(`x-access-token:${PUSH_TOKEN}`).toString('base64')}`;
    if (writes && headers.authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' });
      return response.end();
    }
    const child = spawn('git', ['http-backend'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: this.root,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        REMOTE_USER: 'outwork',
        REQUEST_METHOD: method,
        PATH_INFO: path,
        QUERY_STRING: query,
        CONTENT_LENGTH: String(body.length),
        CONTENT_TYPE: headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: headers['content-encoding'] ?? '',
        GIT_PROTOCOL: headers['git-protocol'] ?? '',
      },
    });
    // Git may have read enough before all is written.
    child.stdin.on('error', () => {});
    child.stdin.end(body);
    const output = [];
    for await (const part of child.stdout) output.push(part);
    const answer = Buffer.concat(output);
    const end = answer.indexOf('\r\n\r\n');
    const lines = answer.subarray(0, end).toString().split('\r\n');
    const fields = lines.map((line) => [
      line.slice(0, line.indexOf(':')),
      line.slice(line.indexOf(':') + 1).trim(),
    ]);
    const status = fields.find(([name]) => name === 'Status')?.[1] ?? '200';
    response.writeHead(
      Number(status.slice(0, 3)),
      Object.fromEntries(fields.filter(([name]) => name !== 'Status')),
    );
    response.end(answer.subarray(end + 4));
  }
}
