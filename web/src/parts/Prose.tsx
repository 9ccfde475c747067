import { memo } from 'react';
import { Marked, Plain } from './Plain';
import css from './Prose.module.css';
import { prose } from './prose';

/** What an agent or a person said, with its code as code. */
export const Prose = memo(function Prose({ text }: { text: string }) {
  return prose(text).map((block, at) =>
    block.kind === 'code' ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: blocks have no other name
      <pre key={at} className={css.block}>
        <Plain text={block.text} lines />
      </pre>
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: blocks have no other name
      <bdi key={at} className={css.text}>
        {block.parts.map(({ kind, text }, at) => {
          const Tag = kind === 'text' ? 'span' : kind;
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: parts have no other name
            <Tag key={at} className={kind === 'code' ? css.code : undefined}>
              <Marked text={text} lines />
            </Tag>
          );
        })}
      </bdi>
    ),
  );
});
