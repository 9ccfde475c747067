import { expect, it } from 'vitest';
import { SentEvents } from './sse';

const STREAM =
  'retry: 817\n\n: still here\n\nid: 5\nevent: message\ndata: {"seq":5,\ndata:"text":"é"}\n\nid: 6\r\ndata: last\r\n\r\n';

it('finds the same events wherever the pieces end', () => {
  const whole = new SentEvents().push(STREAM);
  expect(whole).toEqual([
    { id: '5', event: 'message', data: '{"seq":5,\n"text":"é"}' },
    { id: '6', event: 'message', data: 'last' },
  ]);
  for (let cut = 0; cut <= STREAM.length; cut++) {
    const events = new SentEvents();
    expect([...events.push(STREAM.slice(0, cut)), ...events.push(STREAM.slice(cut))]).toEqual(whole);
    expect(events.retryMs).toBe(817);
  }
});
