// Two people at the same task at once: what one does the other sees without asking for it, and what both do at once is done once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clickNumber, launch, Outwork, person, until } from './harness.mjs';

let outwork;
let browser;
let colleague;
before(async () => {
  [outwork, browser] = await Promise.all([Outwork.start(), launch()]);
  const { id } = await outwork.api('POST', '/members', { name: 'Colleague', role: 'member' });
  colleague = (await outwork.api('POST', `/members/${id}/tokens`, { label: 'browser' })).token;
});
after(async () => {
  await browser?.close();
  await outwork?.stop();
});

const NUMBERS = Array.from({ length: 30 }, (_, i) => `N${i + 1} = ${i + 1}\n`).join('');
/** Each attempt changes the beginning in its own way; the second alone the end. */
const FIRST = "cat >/dev/null; sed -i 's/^N1 = 1$/N1 = 100/' numbers.txt";
const SECOND = "cat >/dev/null; sed -i 's/^N1 = 1$/N1 = 200/; s/^N30 = 30$/N30 = 3000/' numbers.txt";

async function both(path) {
  const [me, other] = await Promise.all([
    person(browser, outwork),
    person(browser, outwork, { token: colleague }),
  ]);
  await Promise.all([me.open(path), other.open(path)]);
  const done = async () => {
    assert.deepEqual([...me.complaints, ...other.complaints], []);
    await me.context.close();
    await other.context.close();
  };
  return { me: me.page, other: other.page, done };
}

test('comments, choices, compositions and approvals reach the other', async () => {
  outwork.environment('pair', outwork.repository({ 'numbers.txt': NUMBERS }), FIRST, '--verify', 'true');
  const agents = [FIRST, SECOND].flatMap((script) => ['--agent', 'command', '--agent-command', script]);
  const { id } = outwork.json('exec', '--env', 'pair', '--wait', ...agents, 'Change the numbers');
  const { me, other, done } = await both(`/tasks/${id}?tab=changes&attempt=1`);
  await Promise.all([me, other].map((page) => page.getByText('N1 = 100').waitFor()));

  await clickNumber(me, 'N1 = 100');
  await me.getByRole('textbox', { name: 'Comment on line 1' }).fill('Why a hundred?');
  await me.keyboard.press('Control+Enter');
  await other.getByText('Why a hundred?').waitFor();
  await other.getByRole('button', { name: 'Resolve' }).click();
  await me.getByText('✓ resolved').waitFor();

  const best = other.getByRole('list', { name: 'Attempts' }).getByRole('listitem').nth(1);
  await outwork.api('PUT', `/tasks/${id}/choice`, { turn: 1, attempt: 2 });
  await best.getByText('★ chosen').waitFor();

  // One puts a result together, of the first attempt with a hunk of the second; the other sees a turn more.
  await me.getByLabel('Compare with').selectOption('attempt 2');
  await me.getByRole('button', { name: /Choose hunks/ }).click();
  const last = me.locator('[class*=_hunk_]').filter({ hasText: 'N30 = 3000' });
  await last.getByRole('button', { name: 'left out', exact: true }).click();
  const bar = me.getByRole('region', { name: 'What you take' });
  await bar.getByText('2 parts taken, 1 from attempt 2').waitFor();
  await bar.getByRole('button', { name: 'Make it the result' }).click();
  await other.getByRole('navigation', { name: 'Turns' }).getByText('Composed').waitFor();
  const task = await until(
    () => outwork.api('GET', `/tasks/${id}`),
    ({ turns, status }) => turns.length === 2 && status === 'completed',
  );
  assert.equal(task.turns[1].attempts[0].verification.state, 'passed');
  const diff = outwork.cli('diff', id);
  for (const line of ['+N1 = 100\n', '+N30 = 3000\n']) assert.ok(diff.includes(line), diff);
  assert.ok(!diff.includes('N1 = 200'), diff);

  await me.getByRole('navigation', { name: 'Turns' }).getByText('Composed').click();
  await other.getByRole('navigation', { name: 'Turns' }).getByText('Composed').click();
  await other.getByRole('button', { name: 'Approve' }).first().click();
  await other.getByRole('dialog').getByRole('button', { name: 'Approve' }).click();
  await me.getByText('Colleague approved').waitFor();
  await done();
});

test('a question that both answer has one answer, and the other text is not lost', async () => {
  const agent = `answer=$(cat)
if [ "$OUTWORK_QUESTION" ]; then echo "$answer" >> answers.txt; exit; fi
echo 'Which one?'; exit 75`;
  outwork.environment('asking', outwork.repository({ 'answers.txt': '' }), agent);
  const { id } = outwork.json('exec', '--env', 'asking', 'Choose one');
  const { me, other, done } = await both(`/tasks/${id}`);
  for (const [page, text] of [
    [me, 'the first'],
    [other, 'the second'],
  ]) {
    await page.getByRole('region', { name: 'Answer' }).getByText('Which one?').waitFor();
    await page.getByLabel('Your answer').fill(text);
  }
  await Promise.all(
    [me, other].map((page) => page.getByRole('button', { name: 'Answer', exact: true }).click()),
  );
  await until(
    () => outwork.api('GET', `/tasks/${id}`),
    ({ status }) => status === 'completed',
  );
  const diff = outwork.cli('diff', id);
  const taken = ['the first', 'the second'].filter((text) => diff.includes(`+${text}`));
  assert.equal(taken.length, 1, diff);
  // Who was too late still has what they wrote, now as a follow-up.
  const [late, text] = taken[0] === 'the first' ? [other, 'the second'] : [me, 'the first'];
  const next = late.getByLabel('What is to be done next?');
  await next.waitFor();
  assert.equal(await next.inputValue(), text);
  await done();
});

test('who saves an environment after another is told, and loses neither', async () => {
  const { id } = outwork.environment('shared', outwork.repository({ a: 'a\n' }), 'true');
  const { me, other, done } = await both(`/environments/${id}`);
  await me.getByLabel('Label').fill('renamed');
  await me.getByRole('button', { name: 'Save' }).first().click();
  await until(
    () => outwork.api('GET', `/environments/${id}`),
    ({ label }) => label === 'renamed',
  );
  await other.getByLabel('Branch').first().fill('main');
  await other.getByRole('button', { name: 'Save' }).first().click();
  await other.getByText('Somebody edited this environment meanwhile.').waitFor();
  await other.getByRole('button', { name: 'Put mine on top' }).click();
  await other.getByRole('button', { name: 'Save' }).first().click();
  const saved = await until(
    () => outwork.api('GET', `/environments/${id}`),
    ({ branch }) => branch === 'main',
  );
  assert.equal(saved.label, 'renamed');
  await done();
});

test('a task that nobody will merge is dismissed, and no overlap of the other any more', async () => {
  const agent = "cat >/dev/null; sed -i 's/^N1 = 1$/N1 = 9/' numbers.txt";
  outwork.environment('twice', outwork.repository({ 'numbers.txt': NUMBERS }), agent);
  const [mine, theirs] = ['Change one', 'Change another'].map(
    (prompt) => outwork.json('exec', '--env', 'twice', '--wait', prompt).id,
  );
  const { me, other, done } = await both(`/tasks/${mine}`);
  await other.goto(`${outwork.url}/tasks/${theirs}`);
  await other.getByRole('heading', { name: 'Overlaps (1)' }).waitFor();
  const dismiss = me.getByRole('button', { name: 'Nobody will merge this one' });
  await dismiss.click();
  await me.getByText('Dismissed: it is no overlap', { exact: false }).waitFor();
  assert.deepEqual((await outwork.api('GET', `/tasks/${theirs}/overlaps`)).items, []);
  await me.getByRole('button', { name: 'Take it back' }).click();
  await dismiss.waitFor();
  assert.equal((await outwork.api('GET', `/tasks/${theirs}/overlaps`)).items.length, 1);
  await done();
});
