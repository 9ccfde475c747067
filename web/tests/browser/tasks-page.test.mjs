// `npm run build`, then `node --test tests/browser/tasks-page.test.mjs`.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { attempt, open, stat, summary, task } from './tasks-server.mjs';

const output = (text) => ({ type: 'output', stream: 'stdout', text });
const lines = (from, to) => Array.from({ length: to - from }, (_, at) => `line ${from + at}\n`).join('');
const running = (number, more) => attempt(number, { state: 'running', diff: null, ended_at: null, ...more });
const shown = (page) => page.locator('[role=log] [data-row]').allTextContents();
const atEnd = (page) =>
  page.locator('[role=log]').evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 40);

/** What `ask` answers once it answers the same twice, a picture of the screen apart. */
async function resting(page, ask) {
  for (let before = await ask(), turn = 0; turn < 100; turn++) {
    await page.evaluate(
      () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))),
    );
    const now = await ask();
    if (now !== undefined && now === before) return now;
    before = now;
  }
  throw new Error('it did not come to rest');
}

async function runningTask(context, size) {
  const all = await open(context, size);
  all.server.set(task(1, [running(1)], { status: 'running', outcome: null }));
  all.server.log(
    'att_1',
    { type: 'state', state: 'leased', worker: 'w' },
    { type: 'step_started', step: 'agent' },
  );
  await all.go('/tasks/task_1');
  await all.page.getByRole('log').getByText('agent').waitFor();
  return all;
}

test('a log of 50,000 lines follows its end, and stays where its reader is', async (context) => {
  const { server, page, errors } = await runningTask(context);
  for (let at = 0; at < 50_000; at += 500) server.log('att_1', output(lines(at, at + 500)));
  await page.getByRole('log').getByText('line 49999').waitFor();
  assert.ok(await atEnd(page));
  assert.ok((await shown(page)).length < 150);
  await page.getByRole('log').hover();
  await page.mouse.wheel(0, -4_000);
  await page
    .getByRole('button', { name: /Follow/ })
    .first()
    .waitFor();
  const before = await resting(page, async () => (await shown(page)).at(20));
  server.log('att_1', output(lines(50_000, 52_000)));
  await page.getByText('52 000 lines').waitFor();
  assert.ok((await shown(page)).includes(before));
  assert.ok(!(await atEnd(page)));
  await page.getByRole('button', { name: '↓ Follow' }).click();
  await page.getByRole('log').getByText('line 51999').waitFor();
  await page.getByRole('searchbox', { name: 'Find in the log' }).fill('line 1234');
  await page.getByText(/of 11$/).waitFor();
  await page.getByRole('searchbox', { name: 'Find in the log' }).press('Enter');
  await page.getByRole('log').getByText('line 1234', { exact: true }).waitFor();
  assert.deepEqual(errors, []);
});

test('while the server restarts the page stays, says so, and goes on', async (context) => {
  const { server, page, errors } = await runningTask(context);
  server.log('att_1', output(lines(0, 10)));
  await page.getByRole('log').getByText('line 9').waitFor();
  server.goAway();
  server.log('att_1', output(lines(10, 20)));
  await page.getByText('Connection lost, trying again…').waitFor();
  await page.getByText('The server does not answer; trying again…').waitFor();
  assert.ok(await page.getByRole('heading', { name: 'Task number 1' }).isVisible());
  server.comeBack();
  server.log('att_1', output(lines(20, 30)));
  await page.getByRole('log').getByText('line 29').waitFor();
  await page.getByText('Connection lost, trying again…').waitFor({ state: 'hidden' });
  await page.getByText('The server does not answer; trying again…').waitFor({ state: 'hidden' });
  const said = (await shown(page)).filter((text) => text.startsWith('line '));
  assert.deepEqual(said, lines(0, 30).trim().split('\n'));
  assert.deepEqual(errors, []);
});

test('hostile text is seen and does nothing', async (context) => {
  const { server, page, go, errors } = await open(context);
  const hostile = 'x\u202etxt.exe\u202c<img src=x onerror=alert(1)>\u0007\u001b]0;t\u0007';
  server.set(
    task(
      1,
      [
        attempt(1, { message: hostile, state: 'failed', failure: { code: 'x', message: hostile } }),
        attempt(2),
      ],
      {
        title: hostile,
        branch: hostile,
        environment_label: hostile,
      },
    ),
  );
  server.log(
    'att_1',
    output(`\u001b[8m${hostile}\n`),
    { type: 'message', text: `\`\`\`\n${hostile}\n\`\`\`\n[a](javascript:alert(1))` },
    { type: 'file_changed', path: hostile, kind: 'add' },
    { type: 'state', state: 'failed', failure: { code: 'x', message: hostile } },
  );
  await go('/tasks/task_1?tab=log&attempt=1');
  await page.getByRole('log').getByText('U+202E').first().waitFor();
  const text = await page.locator('body').innerText();
  const left = [...text].filter(
    (one) => /[\u202a-\u202e\u2066-\u2069]/.test(one) || (one < ' ' && one !== '\n' && one !== '\t'),
  );
  assert.deepEqual(left, []);
  assert.match(
    await page.getByRole('heading', { level: 1 }).innerText(),
    /U\+202E.*<img src=x onerror=alert\(1\)>BEL/,
  );
  assert.match(await page.title(), /‹U\+202E›/);
  assert.equal(await page.locator('img, a[href^="javascript"]').count(), 0);
  assert.deepEqual(errors, []);
});

test('an answer whose confirmation got lost is sent again with the same key', async (context) => {
  const { server, page, go, errors } = await open(context);
  server.set(
    task(1, [running(1), running(2, { state: 'awaiting_input', question: 'Which `one`?' })], {
      status: 'needs_input',
      outcome: null,
    }),
  );
  await go('/tasks/task_1');
  await page.getByText('The agent of attempt 2 asks').waitFor();
  let broken = true;
  server.answers.set('POST /tasks/task_1/answer', () => (broken ? 'break' : { body: {} }));
  await page.keyboard.press('r');
  await page.keyboard.type('The second');
  await page.keyboard.press('Control+Enter');
  await page.getByText('Send it again: it is not done twice.').waitFor();
  broken = false;
  await page.getByRole('button', { name: 'Answer' }).click();
  await page.getByText('The answer is sent.').waitFor();
  const [one, ...others] = server.requests;
  assert.deepEqual(one.body, { text: 'The second', attempt: 2 });
  assert.equal(one.key.length, 32);
  assert.ok(others.length > 0);
  for (const other of others) assert.deepEqual(other, one);
  assert.deepEqual(errors, []);
});

test('steer, interrupt, cancel, retry, choose, publish and follow up', async (context) => {
  const { server, page, errors } = await runningTask(context);
  await page.getByRole('textbox', { name: 'Tell the agent' }).fill('Faster');
  await page.getByRole('button', { name: 'Tell' }).click();
  await page.getByText('The agent is told.').waitFor();
  await page.getByRole('button', { name: 'Interrupt' }).click();
  await page.getByText('The agent is told to stop where it is.').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.keyboard.press('x');
  await page.getByRole('button', { name: 'Cancel the task' }).click();
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  const places = [{ attempt: 2, place: 1, reasons: [{ kind: 'tests', text: 'All pass', good: true }] }];
  const ended = task(1, [attempt(1), attempt(2)]);
  ended.turns[0].ranking = { verdict: 'decided', best: 2, summary: 'The second is right.', places };
  server.log('att_1', { type: 'state', state: 'succeeded' });
  server.set(ended);
  await page.getByText('★ best').waitFor();
  await page.getByText('The second is right.').waitFor();
  // Who reads the log goes on reading it.
  assert.equal(await page.getByRole('tab', { selected: true }).textContent(), 'Log');
  await page.getByRole('button', { name: 'Choose attempt 1' }).click();
  await page.getByRole('button', { name: 'Retry' }).click();
  await page.getByRole('menuitem', { name: 'From where the turn began' }).click();
  await page.getByRole('button', { name: 'Pull request' }).click();
  await page.getByRole('textbox', { name: 'Branch' }).fill('mine');
  await page.getByRole('button', { name: 'Open pull request' }).click();
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.getByRole('textbox', { name: 'What is to be done next' }).fill('And now?');
  await page.getByRole('radio', { name: '3' }).check();
  await page.getByRole('button', { name: 'Follow up' }).click();
  await page.waitForFunction(() => document.querySelector('[data-reply]')?.value === '');
  assert.deepEqual(
    server.requests.map(({ method, path, body }) => [method, path, body]),
    [
      ['POST', '/tasks/task_1/steer', { text: 'Faster', attempt: 1 }],
      ['POST', '/tasks/task_1/interrupt', { attempt: 1 }],
      ['POST', '/tasks/task_1/cancel', undefined],
      ['PUT', '/tasks/task_1/choice', { turn: 1, attempt: 1 }],
      ['POST', '/tasks/task_1/retry', { attempts: 2, from_start: true }],
      [
        'POST',
        '/tasks/task_1/publications',
        { turn: 1, attempt: 1, draft: false, title: 'Task number 1', branch: 'mine' },
      ],
      ['POST', '/tasks/task_1/turns', { prompt: 'And now?', attempt: 1, attempts: 3 }],
    ],
  );
  assert.deepEqual(errors, []);
});

test('a task is written, kept over a reload, and started', async (context) => {
  const { server, page, go, errors } = await open(context);
  server.set(task(7, [running(1)], { status: 'pending', outcome: null, title: 'Fix the parser' }));
  server.answers.set('POST /overlaps', {
    body: {
      items: [
        {
          task_id: 'task_3',
          title: 'Another',
          status: 'running',
          url: '',
          paths: ['src/a.rs'],
          path_count: 1,
          certainty: 'named',
        },
      ],
    },
  });
  await go('/new');
  await page.getByRole('textbox', { name: 'What is to be done' }).fill('Fix src/a.rs');
  await page.getByRole('combobox', { name: 'Environment' }).selectOption('payments');
  await page.getByRole('link', { name: 'Another' }).waitFor();
  await page.reload();
  assert.equal(await page.getByRole('textbox', { name: 'What is to be done' }).inputValue(), 'Fix src/a.rs');
  await page.getByRole('radio', { name: '2' }).check();
  server.answers.set('POST /tasks', {
    status: 422,
    body: {
      code: 'repository',
      detail: 'There is no such branch.',
      hint: 'Name another.',
      errors: [{ pointer: '/branch', detail: 'is not there' }],
    },
  });
  await page.getByRole('textbox', { name: 'Branch' }).fill('next');
  await page.getByRole('button', { name: 'Start 2 attempts' }).click();
  await page.getByRole('alert').getByText('There is no such branch. Name another.').waitFor();
  await page.getByText('is not there').waitFor();
  server.answers.set('POST /tasks', { status: 201, body: server.full.get('task_7') });
  await page.keyboard.press('Control+Enter');
  await page
    .getByRole('button', { name: 'Start 2 attempts' })
    .click()
    .catch(() => undefined);
  await page.getByRole('heading', { name: 'Fix the parser' }).waitFor();
  const made = server.requests.filter(({ path }) => path === '/tasks');
  assert.deepEqual(made[0].body, {
    environment: 'payments',
    prompt: 'Fix src/a.rs',
    attempts: 2,
    branch: 'next',
  });
  assert.deepEqual(errors, []);
});

test('the palette finds tasks and commands', async (context) => {
  const { server, page, go, errors } = await open(context);
  server.tasks = [summary(2, { title: 'Fix the parser' }), summary(1)];
  server.set(task(2, [attempt(1)], { title: 'Fix the parser' }));
  await go('/');
  await page.getByRole('link', { name: 'Fix the parser' }).waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('pars');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Fix the parser' }).waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.getByRole('link', { name: 'Task number 1' }).waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  assert.deepEqual(errors, []);
});

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

for (const [width, theme] of [
  [1280, 'light'],
  [1280, 'dark'],
  [360, 'light'],
]) {
  test(`accessible and not too wide: ${width} ${theme}`, async (context) => {
    const { server, page, go } = await open(context, { width, theme, height: width < 500 ? 740 : 800 });
    server.tasks = [
      summary(9, { status: 'running', outcome: null, overlap_count: 2, approval_state: 'waiting' }),
      summary(8),
    ];
    const long =
      'A title that is much too long for any screen and goes on and on, without_a_place_to_break_for_quite_a_while';
    const failed = attempt(2, {
      state: 'failed',
      failure: { code: 'timed_out', message: long, hint: long },
      diff: stat(9, 12_345, 999),
    });
    server.set(task(1, [attempt(1), failed, running(3)], { title: long, status: 'running', outcome: null }));
    for (const id of ['att_1', 'att_2', 'att_3']) {
      server.log(
        id,
        { type: 'step_started', step: 'agent' },
        { type: 'command_started', id: 'a', command: long },
        {
          type: 'command_output',
          id: 'a',
          text: '\u001b[31mred \u001b[32mgreen \u001b[33myellow \u001b[34mblue \u001b[35mmagenta \u001b[36mcyan \u001b[2mdim\u001b[0m \u001b[41mground\u001b[0m\n',
        },
        { type: 'plan', entries: [{ text: long, status: 'in_progress' }] },
        { type: 'message', text: `${long} \`code\`` },
        { type: 'network_request', host: long, port: 1, verdict: 'refused', hint: long },
        { type: 'warning', message: long },
      );
    }
    const check = async (what) => {
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
      const found = violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map(({ html, any }) => `${html.slice(0, 120)} ${any[0]?.message ?? ''}`).join(' | ')}`,
      );
      assert.deepEqual(found, [], what);
      const over = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.equal(over, 0, `${what} is ${over} px too wide`);
    };
    await go('/');
    await page.getByRole('link', { name: 'Task number 9' }).waitFor();
    await check('the list');
    await go('/new');
    await page.getByRole('heading', { name: 'New task' }).waitFor();
    await check('the composer');
    for (const tab of ['log', 'changes', 'network', ...(width < 500 ? ['details'] : [])]) {
      await go(`/tasks/task_1?tab=${tab}&attempt=2`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.getByRole('tabpanel').waitFor();
      if (tab === 'log') await page.getByRole('log').getByText('magenta').waitFor();
      await check(`the task's ${tab}`);
    }
    if (width > 500) {
      await page.keyboard.press('Control+k');
      await page.getByRole('dialog').waitFor();
      await check('the palette');
    }
  });
}
