// Makes the pictures of docs/images anew, of a real server with real tasks: `npm run pictures`.
import { fileURLToPath } from 'node:url';
import { launch, Outwork, person, until } from './harness.mjs';

const to = (name) => fileURLToPath(new URL(`../../../docs/images/${name}.png`, import.meta.url));

const CALENDAR = `"""Dates as people pick them."""

from datetime import date, datetime, timedelta, timezone


def picked(text, offset_hours):
    """The day that somebody picked, in their own time zone."""
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    return moment.date()


def week_of(day):
    monday = day - timedelta(days=day.weekday())
    return [monday + timedelta(days=n) for n in range(7)]
`;
const TEST = `import unittest
from datetime import date

from calendars.picker import picked


class Picked(unittest.TestCase):
    def test_west(self):
        self.assertEqual(picked("2026-03-01T05:00:00", -8), date(2026, 2, 28))

    def test_east(self):
        self.assertEqual(picked("2026-02-28T20:00:00", 9), date(2026, 3, 1))


if __name__ == "__main__":
    unittest.main()
`;
/** Two ways to go about it, of which the tests take one. */
const RIGHT = `
cat >/dev/null
echo "Reading calendars/picker.py"
sed -i 's/    return moment.date()/    local = moment.astimezone(timezone(timedelta(hours=offset_hours)))\\n    return local.date()/' calendars/picker.py
echo "The moment was kept in UTC. It is turned into the picker's own zone before the day is taken."
`;
const WRONG = `
cat >/dev/null
echo "Shifting the day by the offset"
sed -i 's/    return moment.date()/    return moment.date() - timedelta(days=1)/' calendars/picker.py
echo "The day is one less in western time zones, so one is taken away."
`;

const outwork = await Outwork.start();
const browser = await launch();
try {
  const files = {
    'calendars/__init__.py': '',
    'calendars/picker.py': CALENDAR,
    'tests/__init__.py': '',
    'tests/test_picker.py': TEST,
  };
  outwork.environment('calendar', outwork.repository(files), RIGHT, '--verify', 'python3 -m unittest');
  outwork.environment(
    'website',
    outwork.repository({ 'index.html': '<h1>Hello</h1>\n' }),
    'cat >/dev/null; sleep 30',
  );
  const { id } = await outwork.api('POST', '/tasks', {
    environment: 'calendar',
    prompt: 'The date picker is off by one day in western time zones. Fix it in calendars/picker.py.',
    agents: [
      { name: 'command', command: RIGHT },
      { name: 'command', command: WRONG },
    ],
  });
  await until(
    () => outwork.api('GET', `/tasks/${id}`),
    ({ status }) => status === 'completed',
  );
  outwork.cli('exec', '--env', 'calendar', '--wait', 'Weeks begin on Sunday where people expect it');
  outwork.cli('exec', '--env', 'website', 'Make the headline readable on a phone');

  const { page, open } = await person(browser, outwork, {
    viewport: { width: 1280, height: 800 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
  });
  const shot = async (name, path, ready) => {
    await open(path);
    await ready();
    await page.screenshot({ path: to(name) });
  };
  await shot('web-task', `/tasks/${id}`, async () => {
    await page.getByText('astimezone').first().waitFor();
    // The colours of code come from a worker, a little later.
    await page.locator('[class*="k-keyword"]').first().waitFor();
  });
  await shot('web-tasks', '/', () => page.getByText('Make the headline').first().waitFor());
  const { items } = await outwork.api('GET', '/environments');
  const calendar = items.find(({ label }) => label === 'calendar');
  await shot('web-environment', `/environments/${calendar.id}`, () =>
    page.getByText('python3 -m unittest').first().waitFor(),
  );
} finally {
  await browser.close();
  await outwork.stop();
}
