import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The pages that are measured: ours as it is built for the server, and those beside it. */
export default defineConfig({
  root: at('pages'),
  plugins: [react()],
  resolve: { alias: { '@': at('../src') } },
  worker: { format: 'es' },
  build: {
    outDir: at('dist'),
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 5_000,
    rollupOptions: {
      input: Object.fromEntries(
        ['review', 'pierre', 'diff2html', 'plain'].map((name) => [name, at(`pages/${name}.html`)]),
      ),
    },
  },
});
