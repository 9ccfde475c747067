// What a member is told: rules are made, kept, changed and taken away; what this page cannot make stays as it is.
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

test('rules and quiet hours are kept', async () => {
  const settings = { kind: 'slack', bot_token: 'xoxb-1', signing_secret: 'canary-of-a-signing-secret' };
  const chat = await outwork.api('POST', '/integrations', { name: 'Chat', settings });
  const { page, open, context, complaints } = await person(browser, outwork);
  const read = () => outwork.api('GET', '/me/notifications');
  await open('/settings');
  await page.getByText('Nothing. The page shows it anyway.').waitFor();
  await page.getByRole('button', { name: 'One more rule' }).click();
  await page.getByLabel('Where (rule 1)').selectOption('A message by Chat');
  await page.getByRole('checkbox', { name: 'A pull request is open' }).check();
  await page.getByRole('checkbox', { name: 'Quiet hours' }).check();
  await page.getByLabel('From', { exact: true }).fill('21:30');
  await page.getByLabel('Time zone').fill('Europe/Vienna');
  // Who is not known there is told what to do.
  await page.getByRole('button', { name: 'Set what you are told' }).click();
  await page.getByRole('alert').waitFor();
  const { principal_id: id } = await outwork.api('GET', '/me');
  await outwork.api('POST', `/integrations/${chat.id}/users`, { external_id: 'U0123456789', member_id: id });
  await page.getByRole('button', { name: 'Set what you are told' }).click();
  const kept = await until(read, ({ rules }) => rules.length === 1);
  assert.deepEqual(kept.rules[0].events.toSorted(), ['failed', 'finished', 'needs_input', 'pull_request']);
  assert.equal(kept.rules[0].to.integration_id, chat.id);
  assert.deepEqual(kept.quiet_hours, { from: '21:30', to: '07:00', time_zone: 'Europe/Vienna' });

  await page.reload();
  await page.getByRole('checkbox', { name: 'A task failed' }).uncheck();
  await accessible(page);
  await page.getByRole('button', { name: 'Set what you are told' }).click();
  await until(read, ({ rules }) => !rules[0].events.includes('failed'));

  // A channel that the command line named is kept when something else is changed.
  const channel = { kind: 'slack', integration_id: chat.id, channel: 'C0123456789' };
  await outwork.api('PUT', '/me/notifications', { rules: [{ events: ['finished'], to: channel }] });
  await page.reload();
  await page.getByRole('checkbox', { name: 'An agent asks' }).check();
  await page.getByRole('button', { name: 'Set what you are told' }).click();
  const changed = await until(read, ({ rules }) => rules[0].events.includes('needs_input'));
  assert.deepEqual(changed.rules[0].to, channel);

  await page.getByRole('button', { name: 'Remove rule 1' }).click();
  await page.getByRole('button', { name: 'Set what you are told' }).click();
  await until(read, ({ rules }) => rules.length === 0);
  await page.getByText('Nothing. The page shows it anyway.').waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});
