// Measures each page in Chromium with the processor slowed down 4 times: when rows are seen after the data has come, the
// slowest answer to keys, clicks and scrolling, what the page holds, and whether the browser's own search finds a text in
// the last file. `node run.mjs [--rounds N] [--slow N] [--trace] [page…]`
import { existsSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { makePatch, NEEDLE } from './patch.mjs';
import { CSP, memory, serve } from './server.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    slow: { type: 'string', default: '4' },
    trace: { type: 'boolean', default: false },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
  },
});
const pages = positionals.length ? positionals : ['plain', 'review', 'pierre', 'pierre-strict', 'diff2html'];
const dist = fileURLToPath(new URL('dist', import.meta.url));
if (!existsSync(dist)) throw new Error('first: npx vite build --config bench/vite.config.ts');

/** What counts as a line of a diff on each page. */
const ROWS = {
  review: '[class*=_line_]',
  plain: 'pre',
  diff2html: '.d2h-code-line',
  pierre: 'diffs-container',
};

const patch = makePatch();
const browser = await chromium.launch({
  executablePath: values.chromium,
  args: ['--no-sandbox', '--enable-precise-memory-info'],
});
console.log(
  `${patch.split('\n').length} lines; ${cpus().length} processors, load ${loadavg()[0].toFixed(1)}, slowed ${values.slow} times; Chromium ${browser.version()}`,
);

/** Runs in the page before anything else: notes when the diff came, and the frame after the first row is there. */
function observe(selector) {
  const seen = { data: 0, visible: 0, worst: 0, blocked: [] };
  Object.assign(globalThis, { seen });
  document.addEventListener('securitypolicyviolation', (event) =>
    seen.blocked.push(`${event.effectiveDirective} ${event.sourceFile ?? ''}:${event.lineNumber}`),
  );
  const text = Response.prototype.text;
  Response.prototype.text = async function () {
    const got = await text.call(this);
    if (this.url.endsWith('/diff')) {
      seen.data = performance.now();
      performance.mark('data');
    }
    return got;
  };
  const look = () => {
    const found = document.querySelector(selector);
    if (found && found.getBoundingClientRect().height > 0) {
      requestAnimationFrame(() =>
        requestAnimationFrame(() => {
          seen.visible ||= performance.now();
          performance.mark('visible');
        }),
      );
    } else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!entry.interactionId || entry.duration <= seen.worst) continue;
      seen.worst = entry.duration;
      seen.what = `${entry.name} on ${entry.target?.textContent?.slice(0, 30)}: waited ${Math.round(entry.processingStart - entry.startTime)}, ran ${Math.round(entry.processingEnd - entry.processingStart)}`;
    }
  }).observe({ type: 'event', durationThreshold: 16, buffered: true });
}

async function measure(name) {
  const api = memory([patch]);
  const policy =
    name === 'pierre' ? CSP.replace("style-src-elem 'self'", "style-src-elem 'self' 'unsafe-inline'") : CSP;
  const server = await serve(dist, api.answer, { csp: policy });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  const client = await context.newCDPSession(page);
  await client.send('Emulation.setCPUThrottlingRate', { rate: Number(values.slow) });
  // It costs time itself, so not while times are taken.
  const trace = values.trace ? await traced(client) : async () => ({ work: Number.NaN, piece: Number.NaN });
  await page.addInitScript(observe, ROWS[name.split('-')[0]]);
  await page.goto(`${server.url}/${name.split('-')[0]}.html`);
  await page.waitForFunction(() => globalThis.seen.visible > 0, null, { timeout: 180_000 });
  const { data, visible } = await page.evaluate(() => globalThis.seen);

  // At once, while the page may still be at work: clicks, keys, and the wheel.
  // By place, not through the driver's own search for elements, which takes long on so many.
  const places = await page.evaluate(() =>
    [...document.querySelectorAll('main button, main input[type=checkbox]')]
      .map((element) => element.getBoundingClientRect())
      .filter(({ top, width, bottom }) => width > 0 && top >= 0 && bottom < innerHeight)
      .slice(0, 12)
      .map(({ left, top, width, height }) => [left + width / 2, top + height / 2]),
  );
  for (const [x, y] of places) {
    await page.mouse.click(x, y);
    await page.keyboard.press('Escape');
  }
  for (const key of ['j', 'j', 'n', 'PageDown', 'End', 'Home']) await page.keyboard.press(key);
  const frames = page.evaluate(async () => {
    let worst = 0;
    let last = performance.now();
    const end = last + 2_500;
    while (performance.now() < end) {
      await new Promise((done) => requestAnimationFrame(done));
      worst = Math.max(worst, performance.now() - last);
      last = performance.now();
    }
    return worst;
  });
  await page.mouse.move(800, 500);
  for (let i = 0; i < 12; i++) await page.mouse.wheel(0, 900);
  const scroll = await frames;

  // Until everything that is done when there is time is done.
  await page.waitForTimeout(6_000);
  const { work, piece } = await trace();
  const found = await page.evaluate((text) => {
    getSelection()?.removeAllRanges();
    return globalThis.find(text, true, false, true);
  }, NEEDLE);
  const worst = await page.evaluate(() => globalThis.seen.worst);
  await client.send('HeapProfiler.collectGarbage');
  const heap = await page.evaluate(() => performance.memory.usedJSHeapSize);
  const { nodes } = await client.send('Memory.getDOMCounters');
  const { blocked, what } = await page.evaluate(() => globalThis.seen);
  await context.close();
  server.close();
  return {
    visible: visible - data,
    work,
    piece,
    worst,
    scroll,
    heap: heap / 1e6,
    nodes,
    found,
    blocked,
    errors,
    what,
  };
}

/**
 * The processor time of the page's main thread, which other programs on the machine do not change much: until rows are
 * seen, and of the longest piece of work from then on, which is what an answer waits for at most.
 */
async function traced(client) {
  const events = [];
  client.on('Tracing.dataCollected', ({ value }) => {
    for (const event of value) if (['RunTask', 'data', 'visible'].includes(event.name)) events.push(event);
  });
  await client.send('Tracing.start', {
    transferMode: 'ReportEvents',
    categories: 'disabled-by-default-devtools.timeline,blink.user_timing',
  });
  return async () => {
    const ended = new Promise((done) => client.once('Tracing.tracingComplete', done));
    await client.send('Tracing.end');
    await ended;
    const mark = (name) => events.find((event) => event.name === name && event.ph !== 'e');
    const [data, visible] = [mark('data'), mark('visible')];
    const tasks = events.filter(
      ({ name, pid, tid }) => name === 'RunTask' && pid === data.pid && tid === data.tid,
    );
    const of = (some) => some.map(({ tdur = 0 }) => tdur / 1000);
    return {
      work: of(tasks.filter(({ ts }) => ts >= data.ts && ts < visible.ts)).reduce((a, b) => a + b, 0),
      piece: Math.max(...of(tasks.filter(({ ts }) => ts >= visible.ts))),
    };
  };
}

const results = Object.fromEntries(pages.map((name) => [name, []]));
for (let round = 0; round < Number(values.rounds); round++)
  for (const name of pages) {
    results[name].push(await measure(name));
    const { visible, work, piece, worst } = results[name].at(-1);
    console.error(
      `${name}: visible ${visible.toFixed(0)} ms (work ${work.toFixed(0)}), longest piece ${piece.toFixed(0)}, worst ${worst} ms`,
    );
  }
await browser.close();

const shown = (number, digits) => (Number.isNaN(number) ? '–' : number.toFixed(digits));
const middle = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
console.log(
  '| page | visible, ms | processor time until then, ms | longest piece of work after it, ms | worst interaction, ms | longest frame, ms | heap, MB | nodes | search finds the end | blocked by the policy |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|');
for (const [name, runs] of Object.entries(results)) {
  const of = (key, digits = 0) => shown(middle(runs.map((run) => run[key])), digits);
  const most = (key) => shown(Math.max(...runs.map((run) => run[key])), 0);
  console.log(
    `| ${name} | ${of('visible')} (≤ ${most('visible')}) | ${of('work')} (≤ ${most('work')}) | ${of('piece')} (≤ ${most('piece')}) | ${of('worst')} (≤ ${most('worst')}) | ${of('scroll')} | ${of('heap', 1)} | ${of('nodes')} | ${runs.every((run) => run.found) ? 'yes' : 'no'} | ${new Set(runs.flatMap((run) => run.blocked.map((what) => what.replace(/.*assets/, '')))).size} |`,
  );
  const slowest = runs.toSorted((a, b) => b.worst - a.worst)[0];
  if (slowest.worst > 100) console.log(`  ${name}: slowest was ${slowest.what}`);
  for (const error of new Set(runs.flatMap((run) => run.errors))) console.log(`  ${name}: ${error}`);
  for (const what of [...new Set(runs.flatMap((run) => run.blocked))].slice(0, 3))
    console.log(`  ${name}: refused ${what}`);
}
