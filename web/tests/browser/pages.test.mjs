// Every page there is, as a desktop and a phone show it, in both themes: what axe finds, one main heading, and no scrolling sideways.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, launch, Outwork, person } from './harness.mjs';

let outwork;
let browser;
/** The pages, and what is there when a page has read what it shows. */
const pages = new Map();
before(async () => {
  [outwork, browser] = await Promise.all([Outwork.start(), launch()]);
  const repository = outwork.repository({ 'src/a.py': 'A = 1\n', 'README.md': '# A\n' });
  const script = 'cat >/dev/null; echo "B = 2" >> src/a.py; echo said';
  const environment = outwork.environment('first', repository, script, '--verify', 'true');
  const task = outwork.json('exec', '--env', 'first', '--wait', '--attempts', '2', 'Add a constant');
  pages.set('/', 'Add a constant');
  pages.set('/new', 'Environment');
  for (const tab of ['log', 'changes', 'network'])
    pages.set(`/tasks/${task.id}?tab=${tab}`, 'Add a constant');
  pages.set('/environments', repository);
  pages.set('/environments/new', 'Repository');
  pages.set(`/environments/${environment.id}`, 'first');
  pages.set('/workers', 'Drain');
  pages.set('/usage', 'Attempts');
  pages.set('/settings', 'Theme');
  pages.set('/integrations', 'Connect');
  pages.set('/webhooks', 'New webhook');
  pages.set('/schedules', 'New schedule');
  pages.set('/nothing', 'There is nothing at this address.');
  pages.set('/tasks/task_none', 'Try again');
  pages.set('/environments/env_none', 'Try again');
});
after(async () => {
  await browser?.close();
  await outwork?.stop();
});

for (const [name, viewport] of [
  ['desktop', { width: 1280, height: 800 }],
  ['phone', { width: 360, height: 740 }],
]) {
  test(`accessible and not too wide: ${name}`, async (context) => {
    const { page, open, complaints, context: window } = await person(browser, outwork, { viewport });
    for (const [path, text] of pages)
      await context.test(path.replace(/_[0-9a-z]{20,}/, '_ID'), async () => {
        await open(path);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.getByText(text, { exact: false }).filter({ visible: true }).first().waitFor();
        assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
        await accessible(page);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${over} px too wide`);
      });
    // The browser's own line for an address without a page is no complaint.
    assert.deepEqual(complaints, []);
    await window.close();
  });
}
