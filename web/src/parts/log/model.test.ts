import { describe, expect, it } from 'vitest';
import type { Event, EventBody } from '@/api/generated';
import { Finder, LogModel } from './model';

function log(...bodies: EventBody[]): LogModel {
  const model = new LogModel();
  feed(model, ...bodies);
  return model;
}
function feed(model: LogModel, ...bodies: EventBody[]): void {
  for (const body of bodies) {
    model.apply({ ...body, seq: model.lastSeq + 1, at: '2026-11-30T10:00:00.000Z', epoch: 1 } as Event);
  }
}
/** What the rows say, so that a log made step by step can be compared with one made at once. */
const seen = (model: LogModel) =>
  model.rows().map(({ item, line }) => {
    const found = model.items[item];
    if (!found) return 'nothing';
    if (line < 0) return found.kind;
    return found.kind === 'output' || found.kind === 'command'
      ? (found.lines[line]?.text ?? 'nothing')
      : 'nothing';
  });
const output = (text: string): EventBody => ({ type: 'output', stream: 'stdout', text });
const lines = (count: number) => Array.from({ length: count }, (_, at) => `line ${at}\n`).join('');

describe('LogModel', () => {
  it('puts lines together that came in pieces', () => {
    const model = log(output('on'), output('e\ntwo\nthr'), output('ee'), output('\n\nfour\n'));
    expect(seen(model)).toEqual(['one', 'two', 'three', '', 'four']);
  });

  it('takes each event once', () => {
    const model = log(output('a\n'));
    model.apply({ seq: 1, at: '', epoch: 1, ...output('a\n') } as Event);
    expect(seen(model)).toEqual(['a']);
  });

  it('a message replaces the pieces that it was told in', () => {
    const model = log(
      { type: 'message_delta', text: 'Hel' },
      { type: 'message_delta', text: 'lo' },
      { type: 'message', text: 'Hello!' },
      { type: 'message', text: 'Next' },
    );
    expect(model.items).toMatchObject([
      { kind: 'message', text: 'Hello!', whole: true },
      { kind: 'message', text: 'Next', whole: true },
    ]);
  });

  it('keeps the output of commands that run at once apart', () => {
    const model = log(
      { type: 'command_started', id: 'a', command: 'make' },
      { type: 'command_started', id: 'b', command: 'test' },
      { type: 'command_output', id: 'a', text: 'a1\n' },
      { type: 'command_output', id: 'b', text: 'b1\n' },
      { type: 'command_output', id: 'a', text: 'a2\n' },
    );
    expect(seen(model)).toEqual(['command', 'a1', 'a2', 'command', 'b1']);
    feed(model, { type: 'command_finished', id: 'a', exit_code: 0, duration_ms: 5 });
    expect(model.items[0]).toMatchObject({ command: { ended: true, exitCode: 0, durationMs: 5 } });
  });

  it('folds long output of what went well, and leaves open what failed', () => {
    const run = (exit_code: number) =>
      log(
        { type: 'command_started', id: 'a', command: 'make' },
        { type: 'command_output', id: 'a', text: lines(40) },
        { type: 'command_finished', id: 'a', exit_code },
      );
    expect(run(0).rows()).toHaveLength(1);
    expect(run(1).rows()).toHaveLength(41);
    const model = run(0);
    model.fold(0, true);
    expect(model.rows()).toHaveLength(41);
    model.fold(0, false);
    expect(model.rows()).toHaveLength(1);
    expect(model.reveal(0, 39)).toBe(40);
  });

  it('folds whole steps, also while they go on', () => {
    const model = log({ type: 'step_started', step: 'setup' }, output('a\n'));
    model.fold(0, false);
    feed(model, output('b\n'), { type: 'step_started', step: 'agent' }, output('c\n'));
    expect(seen(model)).toEqual(['step', 'step', 'c']);
    expect(model.reveal(1, 1)).toBe(2);
    expect(seen(model)).toEqual(['step', 'a', 'b', 'step', 'c']);
  });

  it('finds text under colours and in what is folded', () => {
    const model = log(
      { type: 'command_started', id: 'a', command: 'cargo test' },
      { type: 'command_output', id: 'a', text: `${lines(20)}\u001b[31mer\u001b[1mror\u001b[0m: no\n` },
      { type: 'command_finished', id: 'a', exit_code: 0 },
    );
    const find = (wanted: string) => new Finder(model, wanted).look();
    expect(find('ERROR: NO')).toEqual([{ item: 0, line: 20 }]);
    expect(find('cargo')).toEqual([{ item: 0, line: -1 }]);
    expect(find('')).toEqual([]);
    expect(model.text()).toContain('$ cargo test\nline 0\n');
  });

  it('finds what comes later, also in lines and messages that go on', () => {
    const model = log(
      { type: 'command_started', id: 'a', command: 'x' },
      { type: 'command_started', id: 'b', command: 'y' },
      { type: 'command_output', id: 'b', text: 'need' },
    );
    const finder = new Finder(model, 'needle');
    expect(finder.look()).toEqual([]);
    feed(
      model,
      { type: 'command_output', id: 'b', text: 'le\nneedle\n' },
      { type: 'command_output', id: 'a', text: 'a needle' },
      { type: 'message_delta', text: 'nee' },
    );
    const places = [
      { item: 0, line: 0 },
      { item: 1, line: 0 },
      { item: 1, line: 1 },
    ];
    expect(finder.look()).toEqual(places);
    expect(finder.look()).toBe(finder.look());
    feed(model, { type: 'message_delta', text: 'dle' });
    expect(finder.look()).toEqual([...places, { item: 2, line: -1 }]);
    expect(new Finder(model, 'needle', 2).look()).toHaveLength(2);
  });

  it('knows steps, plan, network and the end', () => {
    const model = log(
      { type: 'step_started', step: 'agent' },
      { type: 'plan', entries: [{ text: 'one', status: 'pending' }] },
      { type: 'plan', entries: [{ text: 'one', status: 'completed' }] },
      { type: 'network_request', host: 'a.example', port: 443, verdict: 'refused' },
      { type: 'steered', number: 1, text: 'faster' },
      { type: 'steer_taken', number: 1, accepted: true },
      { type: 'step_finished', step: 'agent', duration_ms: 12 },
      { type: 'state', state: 'failed', failure: { code: 'timed_out', message: 'Too long.', hint: 'Wait.' } },
      { type: 'something_new' } as unknown as EventBody,
    );
    expect(model.steps).toEqual([
      { name: 'agent', startedAt: '2026-11-30T10:00:00.000Z', durationMs: 12, detail: undefined },
    ]);
    expect(model.plan).toEqual([{ text: 'one', status: 'completed' }]);
    expect(model.requests).toHaveLength(1);
    expect(model.ended).toBe('failed');
    expect(seen(model)).toEqual(['step', 'plan', 'network', 'said', 'note']);
    expect(model.items[3]).toMatchObject({ accepted: true });
    expect(model.lastSeq).toBe(9);
  });

  it('takes 100,000 lines in pieces of any size without making its rows anew', () => {
    const model = log({ type: 'step_started', step: 'agent' });
    for (let at = 0; at < 10_000; at++) feed(model, output(lines(10)));
    expect(model.rows()).toHaveLength(100_001);
    expect(model.remade).toBe(0);
  });
});
