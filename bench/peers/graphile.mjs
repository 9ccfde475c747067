// Whole lives of jobs in graphile-worker: added one by one, run by a task that does nothing.
//
//   node graphile.mjs URL SCHEMA SECONDS ADDING RUNNING
//
// so many adds in flight, so many jobs at once. Adding goes on for that time; what was added is run to its end. Prints one line of
// JSON: how many jobs, and how many seconds from the first add to the last end.
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';

const [connection, schema, seconds, adding, running] = process.argv.slice(2);
const logger = new Logger(() => () => {});
const pool = new pg.Pool({ connectionString: connection, max: Number(adding) + Number(running) });
pool.on('error', (error) => { throw error; });
pool.on('connect', (client) => { client.on('error', (error) => { throw error; }); });
const payload = { prompt: 'x'.repeat(380) };

const utils = await makeWorkerUtils({ pgPool: pool, schema, logger });
await utils.migrate();

let added = 0;
let ran = 0;

const runner = await run({
  pgPool: pool,
  schema,
  logger,
  noHandleSignals: true,
  concurrency: Number(running),
  taskList: {
    nothing: async (job) => {
      if (job.prompt.length !== 380) throw new Error('another job');
      ran += 1;
    },
  },
});

const begin = process.hrtime.bigint();
const elapsed = () => Number(process.hrtime.bigint() - begin) / 1e9;
const add = async () => {
  while (elapsed() < Number(seconds)) {
    await utils.addJob('nothing', payload);
    added += 1;
  }
};
await Promise.all(Array.from({ length: Number(adding) }, add));
// A job that ended is deleted: when none is left, all have ended.
const left = async () => {
  const { rows } = await pool.query(`SELECT EXISTS (SELECT FROM ${schema}._private_jobs) AS left`);
  return rows[0].left;
};
while (await left()) await new Promise((resolve) => { setTimeout(resolve, 1); });
const took = elapsed();
await runner.stop();
if (ran !== added) throw new Error(`${added} jobs were added, ${ran} ran`);
await utils.release();
await pool.end();
console.log(JSON.stringify({ jobs: added, seconds: took }));
