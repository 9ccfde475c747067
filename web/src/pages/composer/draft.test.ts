import { expect, it } from 'vitest';
import { agentOf, EMPTY, pathsOf, requestOf } from './draft';

it('sends only what was said', () => {
  expect(requestOf({ ...EMPTY, prompt: 'Do it', environment: 'demo' })).toEqual({
    prompt: 'Do it',
    environment: 'demo',
    attempts: 1,
  });
  expect(
    requestOf({
      prompt: 'Do it',
      environment: 'demo',
      branch: ' next ',
      attempts: 2,
      agents: ['codex', 'claude/opus', 'left over'],
      paths: 'src/a.rs, src/b.rs\n\n docs/',
      kind: 'review',
      priority: 'high',
      interactive: false,
    }),
  ).toEqual({
    prompt: 'Do it',
    environment: 'demo',
    branch: 'next',
    attempts: 2,
    agents: [{ name: 'codex' }, { name: 'claude', model: 'opus' }],
    paths: ['src/a.rs', 'src/b.rs', 'docs/'],
    kind: 'review',
    priority: 'high',
    interactive: false,
  });
});

it('names no agents unless each attempt has one', () => {
  const request = requestOf({ ...EMPTY, attempts: 2, agents: ['codex', ' '] });
  expect(request.agents).toBeUndefined();
});

it('reads agents and paths', () => {
  expect(agentOf('')).toBeUndefined();
  expect(agentOf('opencode/anthropic/x')).toEqual({ name: 'opencode', model: 'anthropic/x' });
  expect(pathsOf(' , \n')).toEqual([]);
});
