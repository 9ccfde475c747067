// One task from its prompt to its pull request, done with the page alone. After each step what it shows is looked at; then
// the page is loaded anew, or the server is killed and started again, and it has to show the same and go on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Forge, PUSH_TOKEN } from './forge.mjs';
import { clickNumber, launch, Outwork, person, until } from './harness.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const NUMBERS = Array.from({ length: 30 }, (_, i) => `N${i + 1} = ${i + 1}\n`).join('');
const FILES = { 'greet.txt': 'Helo\n', 'numbers.txt': NUMBERS };
/** Says what it does, asks, and changes both ends of a file, in each attempt differently. What it did before a question is still there. */
const AGENT = `
prompt=$(cat)
if [ "$OUTWORK_QUESTION" ]; then
  echo "You said: $prompt"
  sed -i "s/.*/$prompt/" greet.txt
  sed -i 's/^N1 = 1$/N1 = 100/; s/^N30 = 30$/N30 = 3000/' numbers.txt
  exit
fi
for i in $(seq 1 40); do echo "thought $i"; sleep 0.05; done
echo 'Which greeting shall it be?'
exit 75
`;

const CUTS = {
  'loaded anew': async ({ page }) => {
    await page.reload();
  },
  'killed and started again': async ({ page, outwork }) => {
    await outwork.kill();
    // It was seen that it is away, so that what is shown afterwards was read anew.
    const away = page.getByText('The server does not answer', { exact: false }).first();
    await away.waitFor();
    await outwork.up();
    await away.waitFor({ state: 'hidden' });
  },
};

for (const [name, cut] of Object.entries(CUTS))
  test(`after each step ${name}`, async (context) => {
    const outwork = await Outwork.start();
    context.after(() => outwork.stop());
    const repository = outwork.repository(FILES);
    const forge = await Forge.start(repository);
    context.after(() => forge.stop());
    outwork.environment('steps', forge.url, AGENT, '--branch', 'main', '--verify', 'grep -q Hello greet.txt');
    const token = outwork.write('push-token', PUSH_TOKEN);
    outwork.cli(
      'credential',
      'set',
      forge.host,
      '--push',
      '--forge',
      'github',
      '--api-url',
      forge.api,
      '--token-file',
      token,
    );
    const colleague = await outwork.api('POST', '/members', { name: 'Colleague', role: 'reviewer' });
    const { token: theirs } = await outwork.api('POST', `/members/${colleague.id}/tokens`, {
      label: 'browser',
    });

    const me = await person(browser, outwork);
    const { page } = me;
    let task;
    const read = () => outwork.api('GET', `/tasks/${task}`);

    const steps = {
      'a prompt is written': {
        act: async () => {
          await me.open('/new');
          await page.getByLabel('Environment').selectOption({ label: 'steps' });
          await page.getByLabel('What is to be done').fill('Make the greeting right');
        },
        shows: async () => {
          const prompt = page.getByLabel('What is to be done');
          await prompt.waitFor();
          assert.equal(await prompt.inputValue(), 'Make the greeting right');
        },
      },
      'the task is started and followed': {
        act: async () => {
          await page.getByRole('button', { name: 'Start task' }).click();
          await page.waitForURL('**/tasks/task_*');
          task = new URL(page.url()).pathname.split('/').at(-1);
        },
        shows: async () => {
          await page.getByRole('heading', { level: 1, name: 'Make the greeting right' }).waitFor();
          await page.getByText('thought 3', { exact: true }).first().waitFor();
        },
      },
      'the agent asks': {
        act: () => until(read, ({ status }) => status === 'needs_input'),
        shows: () =>
          page.getByRole('region', { name: 'Answer' }).getByText('Which greeting shall it be?').waitFor(),
      },
      'it is answered': {
        act: async () => {
          await page.getByLabel('Your answer').fill('Hello');
          await page.getByRole('button', { name: 'Answer', exact: true }).click();
          await until(read, ({ status }) => status === 'completed');
        },
        shows: async () => {
          await page.getByRole('tab', { name: /Log/ }).click();
          await page.getByText('You said: Hello').first().waitFor();
        },
      },
      'its changes are read, and one file is marked as viewed': {
        act: async () => {
          await page.getByRole('tab', { name: /Changes/ }).click();
          await page.getByLabel('Viewed: greet.txt').check();
          await page.getByText('1 of 2 viewed').waitFor();
          await until(
            () => outwork.api('GET', `/attempts/${attemptOf(1)}/viewed`),
            ({ items }) => items.length === 1,
          );
        },
        shows: async () => {
          await page.getByText('1 of 2 viewed').waitFor();
          await page.getByText('N30 = 3000').waitFor();
        },
      },
      'a line is commented on': {
        act: async () => {
          await clickNumber(page, 'N30 = 3000');
          await page.getByRole('textbox', { name: 'Comment on line 30' }).fill('Is the last one right?');
          await page.keyboard.press('Control+Enter');
        },
        shows: async () => {
          await page.getByText('Is the last one right?').waitFor();
          await page.getByText('1 open comment', { exact: true }).waitFor();
        },
      },
      'a hunk is left out, and the rest is made the result': {
        act: async () => {
          await page.getByRole('button', { name: /Choose hunks/ }).click();
          const file = page.locator('[data-path="numbers.txt"]');
          await file.getByRole('button', { name: '✓ taken', exact: true }).last().click();
          const bar = page.getByRole('region', { name: 'What you take' });
          await bar.getByText('1 left out').waitFor();
          await bar.getByRole('button', { name: 'Show the patch' }).click();
          const patch = page.getByRole('dialog', { name: 'The patch that this makes' });
          await patch.getByText('+N1 = 100').waitFor();
          assert.ok(!(await patch.textContent()).includes('N30 = 3000'));
          await patch.getByRole('button', { name: 'Close' }).last().click();
          await bar.getByRole('button', { name: 'Make it the result' }).click();
          await until(read, ({ turns, status }) => turns.length === 2 && status === 'completed');
        },
        shows: async () => {
          await page.getByRole('navigation', { name: 'Turns' }).getByText('Composed').waitFor();
          await page.getByRole('tab', { name: /Changes/ }).click();
          await page.getByText('N1 = 100').waitFor();
          await page.getByText('+2', { exact: true }).first().waitFor();
          assert.equal(await page.getByText('N30 = 3000').count(), 0);
        },
      },
      'a colleague approves it': {
        act: async () => {
          const other = await person(browser, outwork, { token: theirs });
          await other.open(`/tasks/${task}?tab=changes`);
          await other.page.getByRole('button', { name: 'Approve' }).first().click();
          await other.page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click();
          await other.page.getByText('Colleague approved').waitFor();
          await other.context.close();
        },
        shows: () => page.getByText('Colleague approved').waitFor(),
      },
      'a pull request is opened': {
        act: async () => {
          await page.getByRole('button', { name: 'Pull request' }).click();
          const dialog = page.getByRole('dialog', { name: 'Open a pull request' });
          await dialog.getByLabel('Title').fill('Greet rightly');
          await dialog.getByRole('button', { name: 'Open pull request' }).click();
          await dialog.waitFor({ state: 'detached' });
        },
        shows: () => page.getByRole('link', { name: /Pull request #1/ }).waitFor(),
      },
    };
    const attempts = [];
    const attemptOf = (turn) => attempts[turn - 1];

    for (const [step, { act, shows }] of Object.entries(steps))
      await context.test(step, async () => {
        await act();
        await shows();
        await cut({ page, outwork });
        await shows();
        if (task) attempts.splice(0, 9, ...(await read()).turns.map((turn) => turn.attempts[0].id));
      });

    assert.equal(forge.pulls.length, 1);
    const [{ title, head }] = forge.pulls;
    assert.equal(title, 'Greet rightly');
    assert.equal(forge.git('show', `${head}:greet.txt`), 'Hello\n');
    assert.equal(forge.git('show', `${head}:numbers.txt`), NUMBERS.replace('N1 = 1\n', 'N1 = 100\n'));
    assert.deepEqual(me.complaints, []);
    await me.context.close();
  });
