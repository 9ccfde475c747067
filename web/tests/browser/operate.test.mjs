// Workers and settings: what operators do with the page.
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

test('a worker is drained and put to work again; a token lets another in, once', async () => {
  const { page, open, context, complaints } = await person(browser, outwork);
  await open('/workers');
  const card = page
    .getByRole('listitem')
    .filter({ has: page.getByRole('meter') })
    .first();
  await card.waitFor();
  await accessible(page);
  await card.getByRole('button', { name: 'Drain' }).click();
  await card.getByText('out of work').waitFor();
  const state = () => outwork.api('GET', '/workers').then(({ items }) => items[0].state);
  assert.equal(await state(), 'drained');
  await card.getByRole('button', { name: 'Take work again' }).click();
  await until(state, (is) => is === 'online');

  await page.getByLabel('What it is for').fill('the second one');
  await page.getByRole('button', { name: 'Make a token' }).click();
  const token = await page.locator('code', { hasText: /^ow_e/ }).textContent();
  assert.match(token, /^ow_e[0-9a-f]+$/);
  await page
    .getByRole('row', { name: /the second one/ })
    .getByRole('button', { name: 'Revoke' })
    .click();
  await page.getByRole('row', { name: /the second one.*revoked/ }).waitFor();
  await page.reload();
  await page.getByRole('row', { name: /the second one/ }).waitFor();
  assert.equal(await page.locator('code', { hasText: /^ow_e/ }).count(), 0);
  await accessible(page);
  assert.deepEqual(complaints, []);
  await context.close();
});

test('a member is added, has a token, and is removed; the log says so', async () => {
  const { page, open, context, complaints } = await person(browser, outwork);
  await open('/settings');
  await page.getByLabel('Name of a new member').fill('Ada');
  await page.getByLabel('Role', { exact: true }).selectOption('reviewer');
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByLabel('Role of Ada').waitFor();
  await page.getByRole('button', { name: 'Tokens of Ada' }).click();
  await page.getByLabel('What a new token is for').fill('laptop');
  await page.getByRole('button', { name: 'Make a token' }).click();
  const token = await page.locator('code', { hasText: /^ow_u/ }).textContent();
  const ada = await person(browser, outwork, { token });
  await ada.open('/settings');
  await ada.page.getByText('are for administrators').waitFor();
  await accessible(ada.page);
  await page.getByRole('button', { name: 'Remove Ada' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByLabel('Role of Ada').waitFor({ state: 'detached' });
  await ada.open('/workers');
  await ada.page.waitForURL('**/sign-in?*');
  await page.reload();
  await page
    .getByRole('row', { name: /admin DELETE \/members\// })
    .first()
    .waitFor();
  await accessible(page);
  assert.deepEqual([...complaints, ...ada.complaints], []);
  await context.close();
  await ada.context.close();
});

test('the model and credentials go in and do not come out', async () => {
  const { page, open, context, complaints } = await person(browser, outwork);
  await open('/settings');
  await page.getByLabel('Address').fill('https://model.example/v1');
  await page.getByLabel('Name', { exact: true }).fill('m-1');
  await page.getByLabel('Key').fill('sk-canary-4711');
  await page.getByRole('button', { name: 'Save' }).first().click();
  await until(() => outwork.json('model', 'show').name === 'm-1');
  await page.getByPlaceholder('set; leave empty to keep it').waitFor();

  await page.getByLabel('Host, and path if you like').fill('git.example/team');
  await page.getByRole('textbox', { name: 'Token' }).fill('glpat-canary-4711');
  await page.getByLabel('For', { exact: true }).selectOption('push');
  await page.getByRole('button', { name: 'Save' }).last().click();
  await page.getByRole('row', { name: /git\.example\/team.*publishes, token/ }).waitFor();
  await page.reload();
  await page.getByRole('row', { name: /git\.example\/team/ }).waitFor();
  const html = await page.content();
  assert.ok(!html.includes('canary-4711'));
  await accessible(page);
  await page.getByLabel('Theme').selectOption('dark');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.reload();
  await page.getByLabel('Theme').waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  assert.deepEqual(complaints, []);
  await context.close();
});
