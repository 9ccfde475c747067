// Colours code beside the page's own thread. Its grammars are regular expressions of JavaScript: no WebAssembly, and
// nothing is made from strings, so that the content security policy needs no exception.
import { createHighlighterCore, type HighlighterCore, type ThemeRegistration } from 'shiki/core';
import { createJavaScriptRegexEngine } from 'shiki/engine/javascript';
import { KINDS, SCOPES } from './kinds';
import type { Language } from './languages';

export interface Ask {
  id: number;
  language: Language;
  /** Each is coloured by itself, from its first line on. */
  texts: string[];
}

/** Of each text, of each line: how many pieces, then length and kind of each. */
export interface Answer {
  id: number;
  texts: Uint32Array[];
}

/** Longer lines stay plain. */
const LINE_LIMIT = 1_000;
const LINE_TIME_MS = 100;

const colour = (kind: number) => `#${kind.toString(16).padStart(6, '0')}`;

/** Its colours are numbers of kinds: the page's style sheet says how they look, in both themes. */
const theme: ThemeRegistration = {
  name: 'kinds',
  type: 'light',
  fg: colour(0),
  bg: '#ffffff',
  settings: [
    { settings: { foreground: colour(0), background: '#ffffff' } },
    ...SCOPES.map(([kind, scope]) => ({ scope, settings: { foreground: colour(KINDS.indexOf(kind)) } })),
  ],
};

const GRAMMARS: Record<Language, () => Promise<{ default: unknown }>> = {
  bash: () => import('shiki/langs/bash.mjs'),
  c: () => import('shiki/langs/c.mjs'),
  cpp: () => import('shiki/langs/cpp.mjs'),
  csharp: () => import('shiki/langs/csharp.mjs'),
  css: () => import('shiki/langs/css.mjs'),
  dart: () => import('shiki/langs/dart.mjs'),
  docker: () => import('shiki/langs/docker.mjs'),
  elixir: () => import('shiki/langs/elixir.mjs'),
  go: () => import('shiki/langs/go.mjs'),
  graphql: () => import('shiki/langs/graphql.mjs'),
  haskell: () => import('shiki/langs/haskell.mjs'),
  html: () => import('shiki/langs/html.mjs'),
  ini: () => import('shiki/langs/ini.mjs'),
  java: () => import('shiki/langs/java.mjs'),
  javascript: () => import('shiki/langs/javascript.mjs'),
  json: () => import('shiki/langs/json.mjs'),
  kotlin: () => import('shiki/langs/kotlin.mjs'),
  lua: () => import('shiki/langs/lua.mjs'),
  make: () => import('shiki/langs/make.mjs'),
  markdown: () => import('shiki/langs/markdown.mjs'),
  nix: () => import('shiki/langs/nix.mjs'),
  php: () => import('shiki/langs/php.mjs'),
  python: () => import('shiki/langs/python.mjs'),
  ruby: () => import('shiki/langs/ruby.mjs'),
  rust: () => import('shiki/langs/rust.mjs'),
  scala: () => import('shiki/langs/scala.mjs'),
  sql: () => import('shiki/langs/sql.mjs'),
  swift: () => import('shiki/langs/swift.mjs'),
  toml: () => import('shiki/langs/toml.mjs'),
  tsx: () => import('shiki/langs/tsx.mjs'),
  typescript: () => import('shiki/langs/typescript.mjs'),
  vue: () => import('shiki/langs/vue.mjs'),
  xml: () => import('shiki/langs/xml.mjs'),
  yaml: () => import('shiki/langs/yaml.mjs'),
  zig: () => import('shiki/langs/zig.mjs'),
};

let made: Promise<HighlighterCore> | undefined;
const highlighter = () => {
  made ??= createHighlighterCore({
    themes: [theme],
    langs: [],
    engine: createJavaScriptRegexEngine({ forgiving: true }),
  });
  return made;
};

const loaded = new Map<Language, Promise<void>>();
function load(language: Language): Promise<void> {
  const known = loaded.get(language);
  if (known) return known;
  const loading = Promise.all([highlighter(), GRAMMARS[language]()]).then(([shiki, grammar]) =>
    shiki.loadLanguage(grammar.default as Parameters<HighlighterCore['loadLanguage']>[0]),
  );
  loaded.set(language, loading);
  return loading;
}

function pieces(shiki: HighlighterCore, text: string, lang: string): Uint32Array {
  const out: number[] = [];
  const { tokens } = shiki.codeToTokens(text, {
    lang,
    theme: 'kinds',
    tokenizeMaxLineLength: LINE_LIMIT,
    tokenizeTimeLimit: LINE_TIME_MS,
  });
  for (const line of tokens) {
    const count = out.push(0) - 1;
    for (const { content, color } of line) {
      const kind = Number.parseInt(color?.slice(1, 7) ?? '0', 16) || 0;
      const last = out.length;
      if (last > count + 1 && out[last - 1] === kind) out[last - 2] = (out[last - 2] ?? 0) + content.length;
      else {
        out.push(content.length, kind);
        out[count] = (out[count] ?? 0) + 1;
      }
    }
  }
  return Uint32Array.from(out);
}

self.addEventListener('message', async ({ data }: MessageEvent<Ask>) => {
  let texts: Uint32Array[] = [];
  try {
    await load(data.language);
    const shiki = await highlighter();
    texts = data.texts.map((text) => pieces(shiki, text, data.language));
  } catch (error) {
    console.warn(`${data.language} is shown without colours:`, error);
  }
  const answer: Answer = { id: data.id, texts };
  self.postMessage(answer, { transfer: texts.map((text) => text.buffer) });
});
