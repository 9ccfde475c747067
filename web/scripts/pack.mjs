// Compresses dist/ into packed/, which the server embeds: every browser takes gzip, also over plain HTTP.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const packed = fileURLToPath(new URL('../packed', import.meta.url));
rmSync(packed, { recursive: true, force: true });

let bytes = 0;
const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
for (const entry of files) {
  const path = join(entry.parentPath, entry.name);
  const to = join(packed, `${relative(dist, path)}.gz`);
  mkdirSync(dirname(to), { recursive: true });
  const content = gzipSync(readFileSync(path), { level: 9 });
  bytes += content.length;
  writeFileSync(to, content);
}
console.log(`${files.length} files, ${Math.round(bytes / 1024)} KiB compressed`);
