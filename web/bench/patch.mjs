// A patch of the size of a large refactoring: made by rule, so that every run has the same.
const LANGUAGES = {
  rs: (n) => [
    `    let value_${n} = self.store.read(key_${n}).await?; // the row as it was`,
    `    if value_${n}.revision != expected { return Err(Error::Stale { at: ${n}, found: "revision" }); }`,
    `    pub async fn step_${n}(&mut self, count: usize) -> Result<Vec<Row>, StoreError> {`,
    '    }',
    '',
  ],
  ts: (n) => [
    `  const rows${n} = await client.query<Row>('select * from task where id = $1', [id${n}]);`,
    `  if (rows${n}.length === 0) throw new NotFound(\`no task \${id${n}}\`); // nothing there`,
    `  export function pick${n}(from: ReadonlyMap<string, Task>, limit = ${n}): Task[] {`,
    '  }',
    '',
  ],
  py: (n) => [
    `    rows_${n} = [row for row in table if row.id > ${n} and row.state == "running"]`,
    `    raise ValueError(f"no task {task_id_${n}!r} in {len(rows_${n})} rows")  # cannot be`,
    `    def read_${n}(self, *, limit: int = ${n}) -> list[Row]:`,
    '        pass',
    '',
  ],
  go: (n) => [
    `	rows${n}, err := store.Query(ctx, "select id from task where n > $1", ${n})`,
    `	if err != nil { return nil, fmt.Errorf("query %d: %w", ${n}, err) }`,
    `	func (s *Store) Step${n}(ctx context.Context) error { // one step`,
    '	}',
    '',
  ],
  md: (n) => [
    `- Item **${n}** says what \`step_${n}\` does.`,
    '',
    `See [page ${n}](page-${n}.md).`,
    'Text.',
    '',
  ],
};

/** A text that stands in the last line alone. */
export const NEEDLE = 'the needle at the very end';

/** About `lines` lines in `files` files. */
export function makePatch(files = 150, lines = 20_000) {
  const endings = Object.keys(LANGUAGES);
  const perFile = Math.ceil(lines / files) - 8;
  const out = [];
  for (let f = 0; f < files; f++) {
    const ending = endings[f % endings.length];
    const path = `src/part_${String(f % 12).padStart(2, '0')}/file_${String(f).padStart(3, '0')}.${ending}`;
    out.push(`diff --git a/${path} b/${path}`, `index ${'a'.repeat(40)}..${'b'.repeat(40)} 100644`);
    out.push(`--- a/${path}`, `+++ b/${path}`);
    let left = 10;
    let right = 10;
    for (let made = 0, h = 0; made < perFile; h++) {
      const body = [];
      const size = Math.min(perFile - made, 30 + ((f + h) % 3) * 6);
      for (let i = 0; i < size; i++) {
        const text = LANGUAGES[ending](f * 1000 + made + i)[i % 5];
        const kind = i % 12;
        if (kind === 5 || kind === 6) body.push(`-${text.replace('row', 'old_row')}`);
        else if (kind === 7 || kind === 8) body.push(`+${text}`);
        else body.push(` ${text}`);
      }
      if (f === files - 1 && made + size >= perFile) body.push(` ${NEEDLE}`);
      const removed = body.filter((line) => line[0] !== '+').length;
      const added = body.filter((line) => line[0] !== '-').length;
      out.push(`@@ -${left},${removed} +${right},${added} @@ section ${h}`, ...body);
      left += removed + 40;
      right += added + 40;
      made += size;
    }
  }
  return `${out.join('\n')}\n`;
}
