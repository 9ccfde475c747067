// Text that nobody vouches for: it is seen as what it is, and does nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, Outwork, person } from './harness.mjs';

let outwork;
let browser;
before(async () => {
  [outwork, browser] = await Promise.all([Outwork.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await outwork?.stop();
});

const MARKUP = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
/** Turns the direction of reading, so that it seems to end in `.txt`. */
const BIDI = 'safe\u202etxt.exe';
const LINKS =
  '[click](javascript:document.title="owned") <a href="javascript:alert(1)">x</a> data:text/html,<script>1</script>';

/** What an agent could say and leave behind. */
const AGENT = String.raw`
cat >/dev/null
printf '<img src=x onerror="document.title=1337">\n'
printf '\033]0;owned\007\033[2J\033[31mred\033[0m plain\033]8;;javascript:alert(1)\007link\033]8;;\007\n'
printf 'bell \007 null \000 back \010\010\010 bidi \342\200\256gnirts\n'
printf '[click](javascript:document.title=1) **bold** <script>document.title="owned"</script>\n'
printf '<script>document.title="owned"</script>\n' > '<img src=x onerror=alert(1)>.html'
printf 'x\n' > "$(printf 'safe\342\200\256txt.exe')"
printf 'line with \342\200\256 and \342\200\213 and \033[31m\n</script><script>document.title="owned"</script>\n' > diff.txt
`;

test('markup, escape codes and turned directions are shown as marks and do nothing', async () => {
  const repository = outwork.repository({ 'README.md': '# hostile\n' });
  outwork.environment('hostile', repository, AGENT);
  const prompt = `${MARKUP} ${BIDI}\n${LINKS}`;
  const task = outwork.json('exec', '--env', 'hostile', '--wait', prompt);
  const { page, open, context, complaints } = await person(browser, outwork);
  const dialogs = [];
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    dialog.dismiss();
  });
  const foreign = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(outwork.url)) foreign.push(request.url());
  });

  await open('/');
  await page.getByText('<img src=x').first().waitFor();
  await harmless(page, { images: 0 });

  await open(`/tasks/${task.id}`);
  await page.getByRole('heading', { level: 1 }).getByText('<img src=x').waitFor();
  await page.getByText('diff.txt').first().waitFor();
  await harmless(page, { images: 0 });
  await page.getByRole('tab', { name: /Log/ }).click();
  await page.getByText('gnirts').first().waitFor();
  await harmless(page, { images: 0 });
  // What turns the direction round is seen as a mark, and turns nothing round.
  const text = await page.locator('body').innerText();
  for (const hidden of ['\u202e', '\u200b', '\u0007', '\u001b'])
    assert.ok(!text.includes(hidden), `a hidden character is in the page: ${JSON.stringify(hidden)}`);

  assert.deepEqual(dialogs, []);
  assert.deepEqual(foreign, []);
  assert.deepEqual(complaints, []);
  await context.close();
});

/** No element of the page came out of the text: neither here nor in the parts that draw themselves apart. */
async function harmless(page, { images }) {
  const found = await page.evaluate(() => {
    const roots = [document];
    for (let at = 0; at < roots.length; at++)
      for (const element of roots[at].querySelectorAll('*'))
        if (element.shadowRoot) roots.push(element.shadowRoot);
    const all = roots.flatMap((root) => [...root.querySelectorAll('*')]);
    return {
      title: document.title,
      images: all.filter((element) => element.localName === 'img').length,
      inline: all.filter((element) => element.localName === 'script' && !element.src).length,
      handlers: all.filter((element) => [...element.attributes].some(({ name }) => name.startsWith('on')))
        .length,
      links: all
        .filter((element) => element.href && !/^(https?|mailto):/.test(element.href.baseVal ?? element.href))
        .map((element) => String(element.href)),
    };
  });
  assert.ok(!/^(owned|1|1337)$/.test(found.title), found.title);
  assert.deepEqual({ ...found, title: '' }, { title: '', images, inline: 0, handlers: 0, links: [] });
}
