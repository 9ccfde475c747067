// Signing in and out, and that no token is left where it does not belong.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, launch, Outwork, person } from './harness.mjs';

let outwork;
let browser;
before(async () => {
  [outwork, browser] = await Promise.all([Outwork.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await outwork?.stop();
});

test('who is not signed in is led to sign in, and then to where they wanted to go', async () => {
  const { page, open, context, complaints } = await person(browser, outwork, { token: null });
  await open('/workers');
  await page.waitForURL('**/sign-in?*');
  await accessible(page);
  await page.getByLabel('Token').fill('ow_wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Token').fill(outwork.token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/workers');
  await page.getByRole('heading', { name: 'Workers', level: 1 }).waitFor();

  // Nowhere that a script, a log or somebody behind the reader could find it.
  const visible = await page.evaluate(() =>
    JSON.stringify([
      document.cookie,
      { ...localStorage },
      { ...sessionStorage },
      location.href,
      history.state,
    ]),
  );
  assert.ok(!visible.includes(outwork.token.slice(4, 20)), visible);
  assert.ok(!outwork.log.includes(outwork.token.slice(4, 20)));
  const [cookie] = await context.cookies(`${outwork.url}/api/v1/me`);
  assert.ok(
    cookie.httpOnly && cookie.sameSite === 'Strict' && !cookie.value.includes(outwork.token.slice(4, 20)),
  );

  await page.getByRole('navigation').getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out of this browser' }).click();
  await page.waitForURL('**/sign-in*');
  await open('/');
  await page.waitForURL('**/sign-in?*');
  assert.deepEqual(complaints, []);
  await context.close();
});

test('an address of another site is not followed after signing in', async () => {
  for (const to of ['https://evil.example/', '//evil.example/', '/\\evil.example/']) {
    const { page, open, context } = await person(browser, outwork, { token: null });
    await open(`/sign-in?to=${encodeURIComponent(to)}`);
    await page.getByLabel('Token').fill(outwork.token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'));
    assert.equal(new URL(page.url()).origin, new URL(outwork.url).origin, to);
    await context.close();
  }
});

test('another page cannot hold this one in a frame', async () => {
  const { page, context, complaints } = await person(browser, outwork);
  await page.setContent(`<iframe src="${outwork.url}/" title="x"></iframe>`);
  await page.frameLocator('iframe').locator('body').waitFor({ state: 'attached' });
  assert.equal(await page.frameLocator('iframe').getByText('Outwork').count(), 0);
  assert.ok(
    complaints.some((text) => /frame-ancestors|X-Frame-Options/.test(text)),
    complaints.join('\n'),
  );
  await context.close();
});
