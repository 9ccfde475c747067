import { describe, expect, it } from 'vitest';
import type { Environment, Event } from '@/api/generated';
import { bytes, changes, covers, domains, problems, size, sizeText, toDraft, toNetwork } from './draft';
import { gather, remedy } from './journal';

const environment: Environment = {
  id: 'env_1',
  label: 'web',
  repository_url: 'https://git.example.com/team/web',
  branch: 'main',
  agent: { name: 'command', command: 'agent' },
  network: { mode: 'on', preset: 'common', allow: ['example.com'], tls: 'inspect', methods: 'read_only' },
  resources: { memory_bytes: 4 * 1024 ** 3, cpu_millis: 1500 },
  variables: { A: '1', B: '2' },
  secrets: [{ name: 'TOKEN', updated_at: '2026-11-30T00:00:00.000Z' }],
  setup_script: 'npm ci\n',
  max_tokens: 1000,
  setup_timeout_seconds: 90,
  timeout_seconds: 3600,
  revision: 3,
  created_at: '2026-11-30T00:00:00.000Z',
  updated_at: '2026-11-30T00:00:00.000Z',
};

describe('an environment that is edited', () => {
  const draft = toDraft(environment);

  it('has nothing to send before anything was edited', () => {
    expect(changes(environment, draft)).toEqual({});
    expect(problems(draft)).toEqual({});
  });

  it('sends what was edited and nothing else; empty means none', () => {
    expect(
      changes(environment, {
        ...draft,
        branch: '',
        setup_script: '',
        setup_minutes: '2.5',
        variables: [
          { name: ' A ', value: '1' },
          { name: '', value: '' },
        ],
        memory: '512M',
        max_tokens: '',
        network: { ...draft.network, on: false },
      }),
    ).toEqual({
      branch: '',
      setup_script: '',
      setup_timeout_seconds: 150,
      variables: { A: '1' },
      resources: {
        memory_bytes: 512 * 1024 ** 2,
        cpu_millis: 1500,
        disk_bytes: null,
        processes: null,
        open_files: null,
      },
      max_tokens: 0,
      network: { mode: 'off' },
    });
  });

  it('has no approvals until somebody asks for them', () => {
    expect(draft.approvals).toBe(0);
    expect(changes(environment, { ...draft, approvals: 2 })).toEqual({ approvals: 2 });
  });

  it('says what is wrong before it is sent', () => {
    const wrong = {
      ...draft,
      label: ' ',
      minutes: '0',
      memory: 'much',
      cpus: '0.01',
      processes: '1.5',
      variables: [
        { name: 'A', value: '' },
        { name: 'A', value: '' },
      ],
      network: { ...draft.network, allow: 'https://example.com', ports: '80, 70000', tls: 'tunnel' as const },
    };
    expect(Object.keys(problems(wrong)).sort()).toEqual(
      ['allow', 'cpus', 'label', 'memory', 'minutes', 'network', 'ports', 'processes', 'variables'].sort(),
    );
    for (const allow of ['10.0.0.1', 'com', 'a b', 'example.com:443'])
      expect(problems({ ...draft, network: { ...draft.network, allow } }).allow).toMatch(/no domain/);
  });
});

describe('domains', () => {
  it('come without stars, each once, and without what another covers', () => {
    expect(domains('*.Example.com\n.a.example.com, other.org\n\nother.org notexample.com')).toEqual([
      'example.com',
      'other.org',
      'notexample.com',
    ]);
    expect(covers(['example.com'], 'a.b.example.com')).toBe(true);
    expect(covers(['example.com'], 'notexample.com')).toBe(false);
  });
  it('and ports are what the server takes', () => {
    expect(toNetwork({ ...toDraft(environment).network, ports: '80, 8080' })).toEqual({
      mode: 'on',
      preset: 'common',
      allow: ['example.com'],
      ports: [80, 8080],
      methods: 'read_only',
      git_push: false,
      websocket: false,
      tls: 'inspect',
    });
  });
});

describe('sizes', () => {
  it.each([
    ['512M', 512 * 1024 ** 2],
    ['4GiB', 4 * 1024 ** 3],
    ['1.5k', 1536],
    ['17', 17],
  ])('%s is read', (text, value) => expect(bytes(text)).toBe(value));
  it('are written so that they are read again', () => {
    for (const value of [1, 1536, 512 * 1024 ** 2, 3 * 1024 ** 4 + 1])
      expect(bytes(sizeText(value))).toBe(value);
    expect(bytes('4 bananas')).toBeNull();
    expect([0, 2048, 5.5 * 1024 ** 3].map(size)).toEqual(['0 B', '2.0 KiB', '5.5 GiB']);
  });
});

describe('what was refused', () => {
  const request = (at: string, more: object): Event =>
    ({
      seq: 1,
      epoch: 1,
      at,
      type: 'network_request',
      verdict: 'refused',
      host: 'a.com',
      port: 443,
      code: 'blocked-by-allowlist',
      ...more,
    }) as Event;
  it('is counted by host and reason, and the newest is shown', () => {
    const found = gather(
      new Map(),
      [
        request('2026-01-02', { path: '/new' }),
        request('2026-01-01', { path: '/old' }),
        request('2026-01-01', { verdict: 'allowed' }),
        request('2026-01-01', { host: 'b.com', code: 'address-not-public' }),
      ],
      { id: 'task_1', title: 'A task' },
    );
    expect([...found.values()].map(({ host, count, path }) => [host, count, path])).toEqual([
      ['a.com', 2, '/new'],
      ['b.com', 1, ''],
    ]);
  });
  it('has a remedy where the environment can allow it', () => {
    expect(['blocked-by-allowlist', 'port-not-allowed', 'address-not-public'].map(remedy)).toEqual([
      'host',
      'port',
      undefined,
    ]);
  });
});
