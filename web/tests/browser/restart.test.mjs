// The server dies and comes back, and pages are reloaded: what was read stays on the screen, and it goes on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, Outwork, person, until } from './harness.mjs';

let outwork;
let browser;
before(async () => {
  [outwork, browser] = await Promise.all([Outwork.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await outwork?.stop();
});

test('a list that is open goes on when the server is back', async () => {
  outwork.environment('quick', outwork.repository({ 'a.txt': 'a\n' }), 'cat >/dev/null; echo b >> a.txt');
  const { page, open, context, complaints } = await person(browser, outwork);
  await open('/');
  outwork.cli('exec', '--env', 'quick', '--wait', 'The first');
  await page.getByText('The first').waitFor();
  await outwork.kill();
  await page.getByText('The server does not answer', { exact: false }).first().waitFor();
  // What was read stays.
  assert.ok(await page.getByText('The first').isVisible());
  await outwork.up();
  outwork.cli('exec', '--env', 'quick', '--wait', 'The second');
  await page.getByText('The second').waitFor();
  await page.getByText('The server does not answer', { exact: false }).first().waitFor({ state: 'hidden' });
  assert.deepEqual(complaints, []);
  await context.close();
});

test('a log that is followed goes on to its end, whatever dies and is reloaded', async () => {
  const script =
    'cat >/dev/null; for i in $(seq 1 400); do echo "line $i of many"; sleep 0.02; done; echo c >> a.txt';
  outwork.environment('long', outwork.repository({ 'a.txt': 'a\n' }), script);
  const { page, open, context, complaints } = await person(browser, outwork);
  const { id } = outwork.json('exec', '--env', 'long', 'Say many lines');
  await open(`/tasks/${id}`);
  await page.getByText('of many').first().waitFor();
  await outwork.kill();
  await outwork.up();
  await page.getByText('of many').first().waitFor();
  await page.reload();
  await page.getByText('of many').first().waitFor();
  await until(
    () => outwork.api('GET', `/tasks/${id}`),
    ({ status }) => status === 'completed' || status === 'failed',
  );
  const task = await outwork.api('GET', `/tasks/${id}`);
  assert.equal(task.outcome, 'succeeded');
  await page.reload();
  await page.getByRole('tab', { name: /Log/ }).click();
  await page.getByText('line 400 of many').waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});
