// Integrations: made, changed, linked to people; what comes in is seen, and done again when somebody asks.
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

const SECRET = 'canary-of-a-webhook-secret';

test('an integration is made, limited, linked, paused and removed', async () => {
  outwork.environment('web', outwork.repository({ a: 'a\n' }), 'true');
  outwork.environment('other', outwork.repository({ a: 'a\n' }), 'true');
  await outwork.api('POST', '/members', { name: 'Ada', role: 'member' });
  const { page, open, context, complaints } = await person(browser, outwork);
  await open('/settings');
  await page
    .getByRole('navigation', { name: 'Settings' })
    .getByRole('link', { name: 'Integrations' })
    .click();
  await page.getByText('No integration yet.').waitFor();
  await accessible(page);
  await page.getByLabel('Name', { exact: true }).fill('Our forge');
  await page.getByLabel('Token', { exact: true }).fill('canary-of-a-forge-token');
  await page.getByLabel('Secret of its webhook').fill(SECRET);
  await page.getByRole('button', { name: 'Connect' }).click();
  await page.getByRole('heading', { level: 1, name: 'Our forge' }).waitFor();
  const { items } = await outwork.api('GET', '/integrations');
  const [{ id, hook_url: address }] = items;
  assert.equal(await page.getByLabel('Address for its webhook', { exact: true }).inputValue(), address);

  // Secrets went in and do not come out.
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'Our forge' }).waitFor();
  assert.ok(!(await page.content()).includes('canary-of'));

  await page.getByRole('checkbox', { name: 'web' }).check();
  await page.getByLabel('Where nothing else says which').selectOption('web');
  await page.getByRole('button', { name: 'Save' }).click();
  const changed = await until(
    () => outwork.api('GET', `/integrations/${id}`),
    ({ default_environment: label }) => label === 'web',
  );
  assert.deepEqual(changed.environments, ['web']);
  assert.equal(changed.secrets.length, 2);

  await page.getByLabel('Their id there').fill('4711');
  await page.getByLabel('What they are called there').fill('ada-l');
  await page.getByLabel('Member').selectOption('Ada');
  await page.getByRole('button', { name: 'Link', exact: true }).click();
  await page.getByText('ada-l is Ada').waitFor();

  await page.getByText('Nothing has come in yet.').waitFor();
  await page.getByText('Went out', { exact: true }).click();
  await page.getByText('Nothing has gone out yet.').waitFor();
  await accessible(page);

  await page.getByRole('button', { name: 'Unlink ada-l' }).click();
  await page.getByText('Nobody is linked.').waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Go on' }).waitFor();
  assert.equal((await outwork.api('GET', `/integrations/${id}`)).is_active, false);
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByText('No integration yet.').waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test('deliveries say what came of them, and are done again when somebody asks', async () => {
  const made = { name: 'Chat', settings: { kind: 'slack', bot_token: 'xoxb-1', signing_secret: SECRET } };
  const { id } = await outwork.api('POST', '/integrations', made);
  const { page, open, context, complaints } = await person(browser, outwork);
  // What comes in is signed by systems that are not here, so the server's answers are.
  const at = new Date().toISOString();
  const items = [
    {
      id: 'job_1',
      direction: 'in',
      key: 'Ev1',
      kind: 'mention',
      state: 'waiting',
      tries: 2,
      created_at: at,
      due_at: at,
      message: 'Slack answered with 503.',
    },
    {
      id: 'job_2',
      direction: 'in',
      key: 'Ev2',
      kind: 'mention',
      state: 'failed',
      tries: 0,
      created_at: at,
      ended_at: at,
      message: '<b>No environment</b> is called x.',
    },
  ];
  const replayed = [];
  await context.route(/\/deliveries(\?|\/)/, async (route) => {
    const { pathname, searchParams } = new URL(route.request().url());
    if (route.request().method() === 'POST') {
      replayed.push(pathname.split('/').at(-2));
      items[1] = { ...items[1], state: 'waiting', ended_at: null, message: null };
      return route.fulfill({ json: items[1] });
    }
    return route.fulfill({ json: { items: searchParams.get('direction') === 'out' ? [] : items } });
  });
  await open(`/integrations/${id}`);
  await page.getByText('Slack answered with 503. · put off 2 times · next try', { exact: false }).waitFor();
  await page.getByText('<b>No environment</b> is called x.').waitFor();
  await accessible(page);
  await page.getByRole('button', { name: 'Do it again: mention' }).click();
  await page.getByText('<b>No environment</b>').waitFor({ state: 'detached' });
  assert.deepEqual(replayed, ['job_2']);
  assert.deepEqual(complaints, []);
  await context.close();
});
