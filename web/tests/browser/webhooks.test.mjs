// Webhooks: made with a secret that is shown once, tried, told again, given a new secret, paused and removed, with a receiver that checks.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { accessible, launch, Outwork, person, until } from './harness.mjs';

let outwork;
let browser;
let receiver;
const heard = [];
/** What the next deliveries are answered with; 200 when there is nothing left. */
const answers = [503];
before(async () => {
  receiver = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    heard.push({ headers: request.headers, body });
    response.writeHead(answers.shift() ?? 200).end('<b>heard</b>');
  });
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  [outwork, browser] = await Promise.all([Outwork.start('--webhook-address', '127.0.0.1'), launch()]);
});
after(async () => {
  await browser?.close();
  await outwork?.stop();
  receiver?.closeAllConnections();
  receiver?.close();
});

/** As a receiver checks: one of the signatures is that of the secret. */
function isSigned({ headers, body }, secret) {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
  return headers['webhook-signature'].split(' ').includes(expected);
}

test('a webhook is made, tried, told again, paused and removed', async () => {
  const address = `http://127.0.0.1:${receiver.address().port}/hook`;
  const { page, open, context, complaints } = await person(browser, outwork);
  await open('/settings');
  await page.getByRole('navigation', { name: 'Settings' }).getByRole('link', { name: 'Webhooks' }).click();
  await page.getByText('No webhook yet.').waitFor();
  await accessible(page);
  await page.getByLabel('Address').fill(address);
  await page.getByLabel('What it is told').fill('task.never_heard_of');
  await page.getByRole('button', { name: 'Make the webhook' }).click();
  await page.getByRole('alert').first().waitFor();
  await page.getByLabel('What it is told').fill('task.finished, task.created');
  await page.getByRole('button', { name: 'Make the webhook' }).click();
  const secret = await page.locator('code', { hasText: /^whsec_/ }).textContent();

  await page.getByRole('link', { name: address }).click();
  await page.getByRole('heading', { level: 1, name: address }).waitFor();
  await page.getByText('told task.finished, task.created', { exact: false }).waitFor();
  // Its secret is not shown once more.
  assert.equal(await page.locator('code', { hasText: /^whsec_/ }).count(), 0);

  // The first try is answered with 503, and made again.
  await page.getByRole('button', { name: 'Send a test' }).click();
  await page.getByText('503 <b>heard</b>', { exact: false }).waitFor();
  await accessible(page);
  await page.getByRole('row', { name: /Delivered/ }).waitFor();
  assert.equal(heard.length, 2);
  assert.equal(heard[0].headers['webhook-id'], heard[1].headers['webhook-id']);
  for (const one of heard) assert.ok(isSigned(one, secret));

  await page.getByRole('button', { name: /^Do it again/ }).click();
  await until(
    () => heard.length,
    (count) => count === 3,
  );

  await page.getByRole('button', { name: 'New secret' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Make a new secret' }).click();
  const fresh = await page.locator('code', { hasText: /^whsec_/ }).textContent();
  assert.notEqual(fresh, secret);
  await page.getByRole('button', { name: 'Send a test' }).click();
  await until(
    () => heard.length,
    (count) => count === 4,
  );
  // Both sign for a day.
  for (const one of [secret, fresh]) assert.ok(isSigned(heard[3], one));

  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Go on' }).waitFor();
  const { items } = await outwork.api('GET', '/webhooks');
  assert.equal(items[0].state, 'paused');
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByText('No webhook yet.').waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});
