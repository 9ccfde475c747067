import { describe, expect, it } from 'vitest';
import type { Attempt, Turn } from '@/api/generated';
import { firstShown, replyOf, standing } from './turns';

const turn = (states: string[], more: Partial<Turn> = {}): Turn => ({
  id: 'turn_1',
  number: 1,
  prompt: '',
  created_at: '',
  attempts: states.map((state, at) => ({
    id: `att_${at + 1}`,
    number: at + 1,
    state,
    tries: 1,
    cancelling: false,
    diff: { files_changed: at, lines_added: 0, lines_removed: 0 },
  })),
  ...more,
});
const numbers = (states: string[], more?: Partial<Turn>) => [
  standing(turn(states, more))?.number,
  firstShown(turn(states, more))?.number,
];

describe('which attempt stands for a turn', () => {
  it('is what the server shows, until evidence or a person says otherwise', () => {
    expect(numbers(['failed', 'succeeded', 'succeeded'])).toEqual([2, 2]);
    expect(numbers(['failed', 'failed', 'failed'])).toEqual([2, 2]);
    expect(numbers(['failed'])).toEqual([undefined, 1]);
    const ranking = { verdict: 'decided', best: 3, summary: '', places: [] };
    expect(numbers(['failed', 'succeeded', 'succeeded'], { ranking })).toEqual([3, 3]);
    expect(numbers(['succeeded', 'succeeded'], { shown: 2 })).toEqual([2, 2]);
    const chosen = { attempt: 1, by: 'a', at: '' };
    expect(numbers(['failed', 'succeeded', 'succeeded'], { ranking, chosen })).toEqual([1, 1]);
    expect(numbers(['succeeded'], { ranking: { ...ranking, best: null } })).toEqual([1, 1]);
  });
  it('shows who asks first, then what runs', () => {
    expect(numbers(['running', 'awaiting_input'])[1]).toBe(2);
    expect(numbers(['succeeded', 'running'])[1]).toBe(2);
    expect(numbers(['queued', 'queued'])[1]).toBe(1);
  });
});

it('knows what can be said', () => {
  const say = (states: string[], shown: number) => {
    const of = turn(states);
    const { kind, attempt } = replyOf(of, of.attempts[shown - 1] as Attempt);
    return `${kind} ${attempt.number}`;
  };
  expect(say(['running'], 1)).toBe('steer 1');
  expect(say(['queued'], 1)).toBe('none 1');
  expect(say(['awaiting_input', 'running'], 1)).toBe('answer 1');
  expect(say(['awaiting_input', 'running'], 2)).toBe('steer 2');
  expect(say(['awaiting_input', 'succeeded'], 2)).toBe('answer 1');
  expect(say(['failed', 'succeeded'], 2)).toBe('follow-up 2');
});
