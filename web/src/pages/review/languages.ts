/** By the end of a file's name, the grammar that it is coloured with. Others are shown without colours. */
const BY_ENDING: Record<string, Language> = {};
const BY_NAME: Record<string, Language> = {};

export type Language =
  | 'bash'
  | 'c'
  | 'cpp'
  | 'csharp'
  | 'css'
  | 'dart'
  | 'docker'
  | 'elixir'
  | 'go'
  | 'graphql'
  | 'haskell'
  | 'html'
  | 'ini'
  | 'java'
  | 'javascript'
  | 'json'
  | 'kotlin'
  | 'lua'
  | 'make'
  | 'markdown'
  | 'nix'
  | 'php'
  | 'python'
  | 'ruby'
  | 'rust'
  | 'scala'
  | 'sql'
  | 'swift'
  | 'toml'
  | 'tsx'
  | 'typescript'
  | 'vue'
  | 'xml'
  | 'yaml'
  | 'zig';

const ENDINGS: Record<Language, string> = {
  bash: 'sh bash zsh bats',
  c: 'c h',
  cpp: 'cc cpp cxx hh hpp hxx ino',
  csharp: 'cs',
  css: 'css scss less',
  dart: 'dart',
  docker: 'dockerfile containerfile',
  elixir: 'ex exs',
  go: 'go',
  graphql: 'graphql gql',
  haskell: 'hs',
  html: 'html htm',
  ini: 'ini cfg conf properties service editorconfig gitconfig',
  java: 'java',
  javascript: 'js mjs cjs jsx',
  json: 'json jsonc json5 ipynb',
  kotlin: 'kt kts',
  lua: 'lua',
  make: 'mk makefile',
  markdown: 'md markdown mdx',
  nix: 'nix',
  php: 'php',
  python: 'py pyi bzl',
  ruby: 'rb rake gemspec gemfile rakefile',
  rust: 'rs',
  scala: 'scala sbt sc',
  sql: 'sql',
  swift: 'swift',
  toml: 'toml lock',
  tsx: 'tsx',
  typescript: 'ts mts cts',
  vue: 'vue svelte',
  xml: 'xml svg xsd xsl plist',
  yaml: 'yaml yml',
  zig: 'zig',
};

for (const [language, endings] of Object.entries(ENDINGS) as [Language, string][]) {
  for (const ending of endings.split(' ')) {
    BY_ENDING[ending] = language;
    BY_NAME[ending] = language;
  }
}

export function languageOf(path: string): Language | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  if (name === 'package-lock.json' || name === 'pnpm-lock.yaml') return undefined;
  const whole = BY_NAME[name];
  if (whole) return whole;
  const dot = name.lastIndexOf('.');
  if (name.startsWith('dockerfile') || name.startsWith('containerfile')) return 'docker';
  return dot < 0 ? undefined : BY_ENDING[name.slice(dot + 1)];
}
