// Writes web/src/api/generated anew from the API's description.
import { createClient } from '@hey-api/openapi-ts';

await createClient({
  input: '../openapi/outwork.json',
  output: { path: '../web/src/api/generated', clean: true },
  plugins: ['@hey-api/client-fetch', '@hey-api/typescript', '@hey-api/sdk'],
  logs: { level: 'warn', file: false },
});
