// A log that grows by 1,000 lines a second to 100,000, followed in Chromium with the processor slowed down 4 times: how far what is
// shown is behind what was sent, and the longest frame. Then the same log at once. `npm run build && node bench/log.mjs [--slow N] [--lines N]`
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { attempt, Server, task } from '../tests/browser/tasks-server.mjs';

const { values } = parseArgs({
  options: { slow: { type: 'string', default: '4' }, lines: { type: 'string', default: '100000' } },
});
const LINES = Number(values.lines);
const server = await Server.start();
server.set(
  task(1, [attempt(1, { state: 'running', ended_at: undefined })], { status: 'running', outcome: null }),
);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const client = await page.context().newCDPSession(page);
await client.send('Emulation.setCPUThrottlingRate', { rate: Number(values.slow) });

const textOf = (n) => `\u001b[3${n % 7}m${n}\u001b[0m of ${LINES}: ${'some words of a build '.repeat(n % 4)}`;
let sent = 0;
const say = (count) => {
  let text = '';
  for (let i = 0; i < count && sent < LINES; i++) text += `${textOf(++sent)}\n`;
  if (text) server.log('att_1', { type: 'output', stream: 'stdout', text });
};
/** The number of the last line on the screen. */
const shown = () =>
  page.evaluate(() => {
    const rows = document.querySelectorAll('[role=log] [data-row]');
    return Number(/^(\d+) of/.exec(rows[rows.length - 1]?.textContent ?? '')?.[1] ?? 0);
  });

await page.goto(`${server.url}/tasks/task_1?tab=log`);
await page.getByRole('log').waitFor();
await page.evaluate(() => {
  const frames = { worst: 0, late: 0, count: 0 };
  Object.assign(globalThis, { frames });
  let last = performance.now();
  const look = (now) => {
    frames.worst = Math.max(frames.worst, now - last);
    if (now - last > 100) frames.late += 1;
    frames.count += 1;
    last = now;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});
const begin = performance.now();
const timer = setInterval(() => say(Math.round(performance.now() - begin) - sent), 10);
const behind = [];
while (sent < LINES) {
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = sent;
  behind.push(before - (await shown()));
}
clearInterval(timer);
const end = performance.now();
while ((await shown()) < LINES) await new Promise((resolve) => setTimeout(resolve, 5));
const rest = performance.now() - end;
behind.sort((a, b) => a - b);
const frames = await page.evaluate(() => globalThis.frames);
const heap = await page.evaluate(() => performance.memory.usedJSHeapSize);

await page.reload();
const loaded = performance.now();
while ((await shown().catch(() => 0)) < LINES) await new Promise((resolve) => setTimeout(resolve, 20));
const whole = performance.now() - loaded;
await browser.close();
await server.stop();
console.log(
  `load ${loadavg()[0].toFixed(1)}, slowed ${values.slow} times: ${LINES} lines in ${((end - begin) / 1000).toFixed(1)} s; behind ` +
    `${behind[behind.length >> 1]} lines in the median, at most ${behind.at(-1)}; the last line ${rest.toFixed(0)} ms after it was sent; ` +
    `longest frame ${frames.worst.toFixed(0)} ms, ${frames.late} of ${frames.count} over 100 ms; heap ${(heap / 1e6).toFixed(0)} MB. At once: ${whole.toFixed(0)} ms`,
);
