// A task from its beginning to its pull request, as people do it with the page: two of them, with real tasks.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { accessible, launch, Outwork, person, until } from './harness.mjs';

let outwork;
let browser;
before(async () => {
  [outwork, browser] = await Promise.all([Outwork.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await outwork?.stop();
});

const FILES = {
  'src/greet.py': 'def greet(name):\n    return "Helo, " + name\n',
  'src/other.py': 'A = 1\nB = 2\nC = 3\nD = 4\nE = 5\nF = 6\nG = 7\nH = 8\nI = 9\nJ = 10\n',
  'test.sh':
    "python3 -c \"import sys; sys.path.insert(0, 'src'); import greet; assert greet.greet('x') == 'Hello, x'\"\n",
};
/** Right when it is told a second thing, and different in each attempt. */
const AGENT = `
prompt=$(cat)
case "$prompt" in
*comma*) sed -i 's/Hullo/Hello/' src/greet.py;;
*) sed -i 's/Helo/Hullo/' src/greet.py; sed -i 's/^A = 1/A = 11/; s/^J = 10/J = 110/' src/other.py;;
esac
`;

test('a task is given, watched, commented on, followed up, approved by another and published', async () => {
  const repository = outwork.repository(FILES);
  outwork.environment('greeter', repository, AGENT, '--verify', 'sh test.sh', '--approvals', '1');
  const colleague = await outwork.api('POST', '/members', { name: 'Colleague', role: 'reviewer' });
  const { token } = await outwork.api('POST', `/members/${colleague.id}/tokens`, { label: 'browser' });
  const me = await person(browser, outwork);
  const other = await person(browser, outwork, { token });

  // Given.
  await me.open('/new');
  await accessible(me.page);
  await me.page.getByLabel('What is to be done').fill('Fix the greeting in src/greet.py');
  await me.page.getByLabel('Environment').selectOption({ label: 'greeter' });
  await me.page.getByRole('button', { name: 'Start task' }).click();
  await me.page.waitForURL('**/tasks/task_*');
  const id = new URL(me.page.url()).pathname.split('/').at(-1);

  // Watched, by both: what fails in the check is said.
  await other.open(`/tasks/${id}`);
  for (const { page } of [me, other]) await page.getByText('src/greet.py').first().waitFor();
  await until(
    () => outwork.api('GET', `/tasks/${id}`),
    (task) => task.turns[0].attempts[0].verification?.state === 'failed',
  );
  await accessible(me.page);

  // Commented on by the other, which a follow-up hands to the agent.
  await outwork.api('POST', `/tasks/${id}/comments`, {
    attempt: 1,
    path: 'src/greet.py',
    side: 'new',
    line: 2,
    text: 'It is Hello, with a comma',
  });
  for (const { page } of [me, other]) {
    await page.reload();
    await page.getByText('It is Hello, with a comma').first().waitFor();
  }
  await outwork.api('POST', `/tasks/${id}/turns`, { prompt: '', comments: true });
  await until(
    () => outwork.api('GET', `/tasks/${id}`),
    (task) => task.turns[1]?.attempts[0].verification?.state === 'passed',
  );

  // Nobody publishes without the other's approval; who asked cannot give it.
  await me.page.reload();
  await me.page
    .getByText(/1 approval|approval/i)
    .first()
    .waitFor();
  await assert.rejects(outwork.api('POST', `/tasks/${id}/publications`, {}));
  await other.page.reload();
  await other.page
    .getByRole('button', { name: /^Approve/ })
    .first()
    .click();
  const confirm = other.page.getByRole('dialog').getByRole('button', { name: /^Approve/ });
  if (await confirm.count()) await confirm.click();
  await until(
    () => outwork.api('GET', `/tasks/${id}`),
    ({ approval }) => approval.state === 'approved',
  );
  await accessible(other.page);
  outwork.cli('pr', id);
  const branches = execFileSync('git', ['-C', repository, 'branch', '--list', 'outwork/*'], {
    encoding: 'utf8',
  });
  assert.match(branches, /outwork\//);
  await me.page.reload();
  await me.page
    .getByText(/outwork\//)
    .first()
    .waitFor();
  for (const { complaints, context } of [me, other]) {
    assert.deepEqual(complaints, []);
    await context.close();
  }
});
