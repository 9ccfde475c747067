import { parsePatchFiles } from '@pierre/diffs';
import { CodeView, WorkerPoolContextProvider } from '@pierre/diffs/react';
import PierreWorker from '@pierre/diffs/worker/worker.js?worker';
import { createRoot } from 'react-dom/client';

const text = await (await fetch('/api/v1/attempts/att_1/diff')).text();
const items = parsePatchFiles(text).flatMap((patch) =>
  patch.files.map((fileDiff, i) => ({ id: String(i), type: 'diff' as const, fileDiff })),
);
const root = document.getElementById('root');
if (root) {
  root.style.height = '100dvh';
  createRoot(root).render(
    <WorkerPoolContextProvider
      poolOptions={{ workerFactory: () => new PierreWorker(), poolSize: 2 }}
      highlighterOptions={{ theme: { light: 'pierre-light', dark: 'pierre-dark' } }}
    >
      <CodeView
        items={items}
        style={{ height: '100dvh', overflow: 'auto' }}
        options={{ diffStyle: 'unified' }}
      />
    </WorkerPoolContextProvider>,
  );
}
