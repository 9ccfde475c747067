// `npm run build`, then `node --test tests/browser/tasks-list.mjs`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attempt, open, summary, task } from './tasks-server.mjs';

const rows = (page) => page.locator('li[data-at]');

test('10,000 tasks: few are drawn, all are found, keys lead through them', async (context) => {
  const { server, page, go, errors } = await open(context);
  server.tasks = Array.from({ length: 10_000 }, (_, at) =>
    summary(10_000 - at, at === 9_990 ? { title: 'The needle' } : {}),
  );
  await go('/');
  await rows(page).first().waitFor();
  assert.ok((await rows(page).count()) < 80);
  await page.getByRole('searchbox').fill('needle');
  await page.getByRole('link', { name: 'The needle' }).waitFor();
  assert.equal(await rows(page).count(), 1);
  assert.match(page.url(), /q=needle/);
  await page.getByRole('searchbox').fill('');
  await page.getByRole('link', { name: 'Task number 9999' }).waitFor();
  await page.getByRole('searchbox').press('Escape');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.waitForFunction(() => document.activeElement?.textContent === 'Task number 9999');
  await page.keyboard.press('k');
  await page.waitForFunction(() => document.activeElement?.textContent === 'Task number 10000');
  // To the end, which is read on the way.
  await page.evaluate(async () => {
    for (let at = 0; at < 200 && document.body.textContent?.includes('Task number 1,') !== true; at++) {
      scrollTo(0, document.documentElement.scrollHeight);
      await new Promise((done) => requestAnimationFrame(done));
      if ([...document.querySelectorAll('li[data-at] a')].at(-1)?.textContent === 'Task number 1') return;
    }
  });
  await page.waitForFunction(() => {
    scrollTo(0, document.documentElement.scrollHeight);
    return [...document.querySelectorAll('li[data-at] a')].at(-1)?.textContent === 'Task number 1';
  });
  assert.deepEqual(errors, []);
});

test('filters stand in the address, and what changes is shown at once', async (context) => {
  const { server, page, go, errors } = await open(context);
  server.tasks = [
    summary(3, { status: 'running', outcome: null }),
    summary(2, { status: 'failed', outcome: 'timed_out' }),
    summary(1),
  ];
  await go('/?status=active');
  await page.getByRole('link', { name: 'Task number 3' }).waitFor();
  assert.equal(await rows(page).count(), 1);
  await page.getByText('Failed', { exact: true }).click();
  await page.getByRole('link', { name: 'Task number 2' }).waitFor();
  assert.match(await rows(page).first().textContent(), /Timed out/);
  await page.getByText('All', { exact: true }).click();
  await page.getByRole('combobox', { name: 'Environment' }).selectOption('website');
  await page.waitForFunction(() => document.querySelectorAll('li[data-at]').length === 1);
  await page.getByRole('combobox', { name: 'Environment' }).selectOption('');
  await page.waitForFunction(() => document.querySelectorAll('li[data-at]').length === 3);
  server.set(task(4, [attempt(1)], { ...summary(4, { title: 'A new one' }) }));
  await page.getByRole('link', { name: 'A new one' }).waitFor();
  server.set(task(3, [attempt(1)], { ...summary(3, { status: 'needs_input', outcome: null }) }));
  await page.locator('li', { hasText: 'Task number 3' }).getByText('Asks you').waitFor();
  assert.deepEqual(errors, []);
});

test('says what to do where there is nothing', async (context) => {
  const { page, go } = await open(context, { width: 360, height: 740 });
  await go('/');
  await page.getByRole('heading', { name: 'There are no tasks yet.' }).waitFor();
  await go('/?status=failed&q=x');
  await page.getByRole('link', { name: 'Show all tasks' }).click();
  await page.getByRole('heading', { name: 'There are no tasks yet.' }).waitFor();
});
