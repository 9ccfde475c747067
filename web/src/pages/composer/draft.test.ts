import { expect, it } from 'vitest';
import { EMPTY, OWN_AGENT, pathsOf, requestOf } from './draft';

it('sends only what was said', () => {
  expect(requestOf({ ...EMPTY, prompt: 'Do it', environment: 'demo' })).toEqual({
    prompt: 'Do it',
    environment: 'demo',
    attempts: 1,
  });
  expect(
    requestOf(
      {
        prompt: 'Do it',
        environment: 'demo',
        branch: ' next ',
        attempts: 2,
        agents: [{ name: 'codex', detail: ' big ' }, OWN_AGENT, { name: 'codex', detail: 'left over' }],
        paths: 'src/a.rs, src/b.rs\n\n docs/',
        kind: 'review',
        priority: 'high',
        interactive: false,
      },
      { name: 'command', command: 'make it' },
    ),
  ).toEqual({
    prompt: 'Do it',
    environment: 'demo',
    branch: 'next',
    attempts: 2,
    agents: [
      { name: 'codex', model: 'big' },
      { name: 'command', command: 'make it' },
    ],
    paths: ['src/a.rs', 'src/b.rs', 'docs/'],
    kind: 'review',
    priority: 'high',
    interactive: false,
  });
});

it('names no agents where all are the environment’s', () => {
  const request = requestOf({ ...EMPTY, attempts: 2, agents: [OWN_AGENT, OWN_AGENT] }, { name: 'codex' });
  expect(request.agents).toBeUndefined();
});

it('reads paths', () => {
  expect(pathsOf(' , \n')).toEqual([]);
});
