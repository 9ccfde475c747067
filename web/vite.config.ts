import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** `npm run dev` beside a server, signed in: OUTWORK_URL=http://127.0.0.1:4700 OUTWORK_TOKEN=ow_… npm run dev */
const beside = {
  target: process.env.OUTWORK_URL ?? 'http://127.0.0.1:4700',
  ...(process.env.OUTWORK_TOKEN && { headers: { authorization: `Bearer ${process.env.OUTWORK_TOKEN}` } }),
  // The page at that address is ours; what is sent there is the server's.
  bypass: (request: { method?: string; url?: string }) =>
    request.method === 'GET' && request.url?.startsWith('/sign-') ? '/index.html' : undefined,
};

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': at('src') } },
  server: { proxy: Object.fromEntries(['/api', '/sign-in', '/sign-out'].map((path) => [path, beside])) },
  test: { include: ['src/**/*.test.ts', 'src/**/*.test.tsx'] },
  worker: { format: 'es' },
  build: {
    target: 'es2023',
    // Nothing inside HTML or CSS as `data:`, so that the content security policy can name `'self'` alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
});
