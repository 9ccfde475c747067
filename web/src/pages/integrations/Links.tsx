import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '@/api/call';
import { linkUser, listMembers, unlinkUser } from '@/api/generated';
import { Button } from '@/parts/Button';
import { SelectField, TextField } from '@/parts/Field';
import { Section } from '@/parts/Page';
import { Plain } from '@/parts/Plain';
import { Refused } from '@/parts/Refused';
import table from '@/parts/Table.module.css';
import { linksQuery } from './queries';

/** Who of the other system is which member: what they ask for there is theirs. For admins. */
export function Links({ id }: { id: string }) {
  const queries = useQueryClient();
  const links = useQuery(linksQuery(id));
  const members = useQuery({
    queryKey: ['members'],
    queryFn: ({ signal }) => call(listMembers({ signal })),
  });
  const [external, setExternal] = useState('');
  const [name, setName] = useState('');
  const [member, setMember] = useState('');
  const changed = () => queries.invalidateQueries({ queryKey: linksQuery(id).queryKey });
  const link = useMutation({
    mutationFn: () =>
      call(
        linkUser({
          path: { id },
          body: {
            external_id: external.trim(),
            member_id: member,
            ...(name.trim() && { name: name.trim() }),
          },
        }),
      ),
    onSuccess: () => {
      setExternal('');
      setName('');
    },
    onSettled: changed,
  });
  const unlink = useMutation({
    mutationFn: (external_id: string) => call<unknown>(unlinkUser({ path: { id, external_id } })),
    onSettled: changed,
  });
  const people = (members.data?.items ?? []).filter(({ kind }) => kind === 'user');
  const nameOf = (wanted: string) => people.find((one) => one.id === wanted)?.name ?? wanted;
  return (
    <Section title="People" note="What somebody who is linked asks for there is their own task.">
      {links.data?.length === 0 && <p>Nobody is linked.</p>}
      <ul>
        {links.data?.map(({ external_id, name, member_id }) => (
          <li key={external_id} className={`${table.row} ${table.entry}`}>
            <span className={table.grow}>
              <Plain text={name || external_id} /> is <Plain text={nameOf(member_id)} />
            </span>
            <Button
              look="quiet"
              aria-label={`Unlink ${name || external_id}`}
              onClick={() => unlink.mutate(external_id)}
            >
              Unlink
            </Button>
          </li>
        ))}
      </ul>
      {people.length > 0 && (
        <form
          className={table.row}
          onSubmit={(event) => {
            event.preventDefault();
            link.mutate();
          }}
        >
          <TextField label="Their id there" required value={external} onText={setExternal} />
          <TextField label="What they are called there" value={name} onText={setName} />
          <SelectField
            label="Member"
            value={member}
            options={[['', 'choose'], ...people.map((one): [string, string] => [one.id, one.name])]}
            onPick={setMember}
          />
          <Button type="submit" busy={link.isPending} disabled={!member || !external.trim()}>
            Link
          </Button>
        </form>
      )}
      <Refused error={link.error ?? unlink.error} />
    </Section>
  );
}
