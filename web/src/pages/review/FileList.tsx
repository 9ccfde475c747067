import { memo, useMemo, useState } from 'react';
import { Plain } from '@/parts/Plain';
import { type Entry, isSame } from './compare';
import css from './FileList.module.css';
import { useGrowing } from './useGrowing';

const MARKS = { added: 'A', deleted: 'D', modified: 'M', renamed: 'R', copied: 'C' };
const WORDS = { added: 'new', deleted: 'deleted', modified: 'changed', renamed: 'renamed', copied: 'copied' };

interface Props {
  entries: Entry[];
  viewed: ReadonlySet<string>;
  /** How many comments are open, by path. */
  open: ReadonlyMap<string, number>;
  onGo: (path: string) => void;
}

/** The files of a diff by directory, with what was already looked at. */
export const FileList = memo(function FileList({ entries, viewed, open, onGo }: Props) {
  const [search, setSearch] = useState('');
  const wanted = search.trim().toLowerCase();
  const { shown } = useGrowing(entries.length, 0, 20);
  const directories = useMemo(() => {
    const found = new Map<string, Entry[]>();
    for (const entry of entries.slice(0, shown)) {
      if (wanted && !entry.path.toLowerCase().includes(wanted)) continue;
      const directory = entry.path.slice(0, entry.path.lastIndexOf('/') + 1);
      const group = found.get(directory);
      if (group) group.push(entry);
      else found.set(directory, [entry]);
    }
    return [...found];
  }, [entries, shown, wanted]);
  return (
    <nav className={css.list} aria-label="Changed files">
      <input
        type="search"
        className={css.search}
        placeholder="Filter files"
        aria-label="Filter files"
        value={search}
        onChange={(event) => setSearch(event.target.value)}
      />
      {directories.length === 0 && wanted && <p className={css.none}>No file has “{search}” in its name.</p>}
      <ul className={css.directories}>
        {directories.map(([directory, files]) => (
          <li key={directory} className={css.directory}>
            {directory && (
              <div className={css.path}>
                <Plain text={directory} />
              </div>
            )}
            <ul>
              {files.map((entry) => {
                const { path, patches } = entry;
                const file = patches[0] ?? patches[1];
                if (!file) return null;
                const comments = open.get(path) ?? 0;
                return (
                  <li key={path}>
                    <button
                      type="button"
                      className={`${css.file} ${viewed.has(path) ? css.viewed : ''}`}
                      title={path}
                      onClick={() => onGo(path)}
                    >
                      <span className={css.seen} aria-hidden="true">
                        {viewed.has(path) ? '✓' : ''}
                      </span>
                      <span className={`${css.mark} ${css[file.change]}`} aria-hidden="true">
                        {patches.length > 1 && isSame(entry) ? '=' : MARKS[file.change]}
                      </span>
                      <span className={css.name}>
                        <Plain text={path.slice(directory.length)} />
                      </span>
                      <span className="visually-hidden">
                        , {WORDS[file.change]}
                        {viewed.has(path) && ', viewed'}
                      </span>
                      {comments > 0 && (
                        <span className={css.comments}>
                          {comments}
                          <span className="visually-hidden"> open comments</span>
                        </span>
                      )}
                    </button>
                  </li>
                );
              })}
            </ul>
          </li>
        ))}
      </ul>
    </nav>
  );
});
