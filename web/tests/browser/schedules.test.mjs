// Schedules: made, run at once, edited, paused and removed, with what became of their times.
import assert from 'node:assert/strict';
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

test('a schedule is made, run, edited, paused and removed', async () => {
  outwork.environment('nightly', outwork.repository({ a: 'a\n' }), 'cat >> a');
  const { page, open, context, complaints } = await person(browser, outwork);
  await open('/settings');
  await page.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name: 'Schedules' }).click();
  await page.getByText('No schedule yet.').waitFor();
  await accessible(page);

  // What is wrong is said where it is.
  await page.getByLabel('Timetable').fill('61 7 * * *');
  await page.getByLabel('Time zone').fill('Europe/Vienna');
  await page.getByLabel('Environment').selectOption('nightly');
  await page.getByLabel('What is to be done').fill('Look for dead code');
  await page.getByRole('button', { name: 'Make the schedule' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Timetable').fill('0 7 * * 1-5');
  await page.getByRole('button', { name: 'Make the schedule' }).click();
  await page.getByRole('heading', { level: 1, name: 'Look for dead code' }).waitFor();
  const times = page.getByRole('list', { name: 'Next times' }).getByRole('listitem');
  assert.equal(await times.count(), 5);
  for (const text of await times.allTextContents()) assert.match(text, /^(Mon|Tue|Wed|Thu|Fri) .*, 07:00$/);
  const { items } = await outwork.api('GET', '/schedules');
  const [{ id }] = items;

  await page.getByRole('button', { name: 'Run now' }).click();
  const row = page.getByRole('row', { name: /by admin/ });
  await row.getByText('Started').waitFor();
  await accessible(page);
  await row.getByRole('link', { name: 'Open' }).click();
  await page.waitForURL('**/tasks/task_*');
  await page.getByRole('heading', { level: 1, name: 'Look for dead code' }).waitFor();
  await page.goBack();

  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Timetable').fill('30 8 * * *');
  await page.getByLabel('When the task before still runs').selectOption('queue');
  await page.getByRole('button', { name: 'Save' }).click();
  const edited = await until(
    () => outwork.api('GET', `/schedules/${id}`),
    ({ timetable }) => timetable === '30 8 * * *',
  );
  assert.equal(edited.overlap, 'queue');
  assert.equal(edited.time_zone, 'Europe/Vienna');
  await times.first().getByText(', 08:30').waitFor();

  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('heading', { name: 'Next times, if it were resumed now' }).waitFor();
  assert.equal((await outwork.api('GET', `/schedules/${id}`)).state, 'paused');
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByText('No schedule yet.').waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});
