import type {
  Agent,
  AgentNetwork,
  Environment,
  EnvironmentPatchWritable,
  NetworkMethods,
  NetworkPreset,
  NetworkTls,
  Repository,
} from '@/api/generated';

/** An environment while it is edited: every field as its control has it. */
export interface Draft {
  label: string;
  repository_url: string;
  branch: string;
  further: Repository[];
  agent: Agent;
  base_image: string;
  runtimes: Pair[];
  variables: Pair[];
  labels: Pair[];
  setup_script: string;
  maintenance_script: string;
  verify_command: string;
  setup_minutes: string;
  minutes: string;
  network: NetworkDraft;
  memory: string;
  cpus: string;
  disk: string;
  processes: string;
  open_files: string;
  max_tokens: string;
  max_concurrent: string;
  nested_namespaces: boolean;
  verify_minutes: string;
  approvals: number;
}

export interface Pair {
  name: string;
  value: string;
}

export interface NetworkDraft {
  on: boolean;
  preset: NetworkPreset;
  /** One a line. */
  allow: string;
  ports: string;
  methods: NetworkMethods;
  git_push: boolean;
  websocket: boolean;
  tls: NetworkTls;
}

/** What is wrong with a field, by its name. */
export type Problems = Partial<Record<keyof Draft | 'allow' | 'ports', string>>;

export function toDraft(environment: Environment): Draft {
  const { resources = {}, network = { mode: 'off' as const } } = environment;
  const on = network.mode === 'on' ? network : undefined;
  return {
    label: environment.label,
    repository_url: environment.repository_url,
    branch: environment.branch ?? '',
    further: environment.further_repositories ?? [],
    agent: environment.agent,
    base_image: environment.base_image ?? '',
    runtimes: toPairs(environment.runtimes),
    variables: toPairs(environment.variables),
    labels: toPairs(environment.required_labels),
    setup_script: environment.setup_script ?? '',
    maintenance_script: environment.maintenance_script ?? '',
    verify_command: environment.verify_command ?? '',
    setup_minutes: minutes(environment.setup_timeout_seconds),
    minutes: minutes(environment.timeout_seconds),
    network: {
      on: on !== undefined,
      preset: on?.preset ?? 'none',
      allow: (on?.allow ?? []).join('\n'),
      ports: (on?.ports ?? []).join(', '),
      methods: on?.methods ?? 'all',
      git_push: on?.git_push ?? false,
      websocket: on?.websocket ?? false,
      tls: on?.tls ?? 'inspect',
    },
    memory: sizeText(resources.memory_bytes),
    cpus: resources.cpu_millis == null ? '' : String(resources.cpu_millis / 1000),
    disk: sizeText(resources.disk_bytes),
    processes: text(resources.processes),
    open_files: text(resources.open_files),
    max_tokens: text(environment.max_tokens),
    max_concurrent: text(environment.max_concurrent),
    nested_namespaces: environment.nested_namespaces ?? false,
    approvals: environment.approvals ?? 0,
    verify_minutes: minutes(environment.verify_timeout_seconds ?? 600),
  };
}

/** What was changed, as the server takes it; what is left out stays as it is. */
export function changes(environment: Environment, draft: Draft): EnvironmentPatchWritable {
  const before = toDraft(environment);
  const patch: EnvironmentPatchWritable = {};
  const changed = (...fields: (keyof Draft)[]) =>
    fields.some((field) => JSON.stringify(before[field]) !== JSON.stringify(draft[field]));
  if (changed('label')) patch.label = draft.label.trim();
  if (changed('repository_url')) patch.repository_url = draft.repository_url.trim();
  if (changed('branch')) patch.branch = draft.branch.trim();
  if (changed('further')) patch.further_repositories = draft.further.filter(({ name, url }) => name || url);
  if (changed('agent')) patch.agent = draft.agent;
  if (changed('base_image')) patch.base_image = draft.base_image.trim();
  if (changed('runtimes')) patch.runtimes = fromPairs(draft.runtimes);
  if (changed('variables')) patch.variables = fromPairs(draft.variables);
  if (changed('labels')) patch.required_labels = fromPairs(draft.labels);
  if (changed('setup_script')) patch.setup_script = draft.setup_script;
  if (changed('maintenance_script')) patch.maintenance_script = draft.maintenance_script;
  if (changed('verify_command')) patch.verify_command = draft.verify_command;
  if (changed('setup_minutes')) patch.setup_timeout_seconds = seconds(draft.setup_minutes);
  if (changed('minutes')) patch.timeout_seconds = seconds(draft.minutes);
  if (changed('network')) patch.network = toNetwork(draft.network);
  if (changed('memory', 'cpus', 'disk', 'processes', 'open_files'))
    patch.resources = {
      memory_bytes: bytes(draft.memory),
      cpu_millis: draft.cpus.trim() ? Math.round(Number(draft.cpus) * 1000) : null,
      disk_bytes: bytes(draft.disk),
      processes: number(draft.processes),
      open_files: number(draft.open_files),
    };
  if (changed('max_tokens')) patch.max_tokens = number(draft.max_tokens) ?? 0;
  if (changed('max_concurrent')) patch.max_concurrent = number(draft.max_concurrent) ?? 0;
  if (changed('nested_namespaces')) patch.nested_namespaces = draft.nested_namespaces;
  if (changed('verify_minutes')) patch.verify_timeout_seconds = seconds(draft.verify_minutes);
  if (changed('approvals')) patch.approvals = draft.approvals;
  return patch;
}

export function toNetwork(draft: NetworkDraft): AgentNetwork {
  if (!draft.on) return { mode: 'off' };
  const ports = draft.ports
    .split(/[\s,]+/)
    .filter(Boolean)
    .map(Number);
  return {
    mode: 'on',
    preset: draft.preset,
    allow: domains(draft.allow),
    ...(ports.length > 0 && { ports }),
    methods: draft.methods,
    git_push: draft.git_push,
    websocket: draft.websocket,
    tls: draft.tls,
  };
}

/** The domains of a list, one a line, without those that another one covers already. */
export function domains(text: string): string[] {
  const found = new Set(
    text
      .split(/[\s,]+/)
      .map((one) => one.toLowerCase().replace(/^\*?\./, ''))
      .filter(Boolean),
  );
  return [...found].filter(
    (one) =>
      !covers(
        [...found].filter((other) => other !== one),
        one,
      ),
  );
}

/** Whether a list lets a host pass: an entry covers what is below it. */
export const covers = (list: string[], host: string) =>
  list.some((one) => host === one || host.endsWith(`.${one}`));

/** What can be seen to be wrong before it is sent; the server has the last word. */
export function problems(draft: Draft): Problems {
  const found: Problems = {};
  if (!draft.label.trim()) found.label = 'Give it a label.';
  if (!draft.repository_url.trim()) found.repository_url = 'Say where the repository is.';
  for (const field of ['minutes', 'setup_minutes', 'verify_minutes'] as const) {
    const value = Number(draft[field]);
    if (!(value >= 1 / 60 && value <= 1440)) found[field] = 'From 1 to 1440 minutes.';
  }
  for (const field of ['memory', 'disk'] as const)
    if (draft[field].trim() && bytes(draft[field]) === null) found[field] = 'A size such as 512M or 4G.';
  for (const field of ['processes', 'open_files', 'max_tokens', 'max_concurrent'] as const)
    if (draft[field].trim() && number(draft[field]) === null) found[field] = 'A whole number.';
  if (draft.cpus.trim() && !(Number(draft.cpus) >= 0.1)) found.cpus = 'A number such as 1.5, at least 0.1.';
  for (const field of ['variables', 'runtimes', 'labels'] as const) {
    const names = draft[field].map(({ name }) => name.trim());
    if (draft[field].some(({ name, value }) => !name.trim() && value)) found[field] = 'A value has no name.';
    else if (new Set(names.filter(Boolean)).size < names.filter(Boolean).length)
      found[field] = 'A name is there twice.';
  }
  const { network } = draft;
  if (network.on) {
    const wrong = domains(network.allow).find(
      (one) => !/^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/.test(one) || /^[\d.]+$/.test(one),
    );
    if (wrong)
      found.allow = `“${wrong}” is no domain: names such as example.com, without scheme, port or path.`;
    if (network.tls === 'tunnel' && network.methods === 'read_only')
      found.network = 'In a tunnel methods are not seen: choose “inspect”, or allow all methods.';
    if (network.ports.split(/[\s,]+/).some((one) => one && !(Number(one) >= 1 && Number(one) <= 65535)))
      found.ports = 'Numbers from 1 to 65535.';
  }
  if (draft.agent.name === 'command' && !draft.agent.command.trim()) found.agent = 'Say which command it is.';
  return found;
}

const text = (value: number | null | undefined) => (value == null ? '' : String(value));
const minutes = (seconds: number) => String(Math.round((seconds / 60) * 100) / 100);
const seconds = (minutes: string) => Math.round(Number(minutes) * 60);
const number = (text: string) => (/^\d+$/.test(text.trim()) ? Number(text.trim()) : null);

const UNITS = ['', 'K', 'M', 'G', 'T'];

/** `512M`, `4G`: powers of 1024, as the command line has them. */
export function sizeText(value: number | null | undefined): string {
  if (value == null) return '';
  let unit = 0;
  let rest = value;
  while (rest >= 1024 && rest % 1024 === 0 && unit < UNITS.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${rest}${UNITS[unit]}`;
}

export function bytes(text: string): number | null {
  const found = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (!found) return null;
  return Math.round(Number(found[1]) * 1024 ** UNITS.indexOf((found[2] ?? '').toUpperCase()));
}

/** For people: `1.5 GiB`. */
export function size(value: number): string {
  const unit = Math.min(4, Math.floor(Math.log2(Math.max(value, 1)) / 10));
  const rest = value / 1024 ** unit;
  return `${rest >= 100 || unit === 0 ? Math.round(rest) : rest.toFixed(1)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

const toPairs = (map: Record<string, string> | undefined): Pair[] =>
  Object.entries(map ?? {}).map(([name, value]) => ({ name, value }));
const fromPairs = (pairs: Pair[]): Record<string, string> =>
  Object.fromEntries(pairs.filter(({ name }) => name.trim()).map(({ name, value }) => [name.trim(), value]));
