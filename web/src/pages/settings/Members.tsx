import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '@/api/call';
import {
  addMember,
  changeMember,
  listMembers,
  listMemberTokens,
  type Member,
  makeMemberToken,
  type Role,
  removeMember,
  revokeMemberToken,
} from '@/api/generated';
import { Ago } from '@/parts/Ago';
import { Button } from '@/parts/Button';
import { Confirm } from '@/parts/Confirm';
import { Failed } from '@/parts/Failed';
import { SelectField, TextField } from '@/parts/Field';
import { Once } from '@/parts/Once';
import { Section } from '@/parts/Page';
import table from '@/parts/Table.module.css';

const ROLES: Record<Role, string> = {
  viewer: 'Viewer: reads',
  reviewer: 'Reviewer: comments and approves',
  member: 'Member: gives tasks, publishes, keeps environments',
  admin: 'Admin: everything',
};
const names = Object.keys(ROLES) as Role[];

/** Who may do what in the workspace, and by which tokens. */
export function Members() {
  const client = useQueryClient();
  const members = useQuery({ queryKey: ['members'], queryFn: ({ signal }) => call(listMembers({ signal })) });
  const changed = () => client.invalidateQueries({ queryKey: ['members'] });
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('member');
  const [kind, setKind] = useState<'user' | 'integration'>('user');
  const add = useMutation({
    mutationFn: () => call(addMember({ body: { name, role, kind } })),
    onSuccess: () => setName(''),
    onSettled: changed,
  });
  return (
    <Section
      title="Members"
      waits={members.isPending}
      note="Each role may also do what those before it may. A member signs in with a token; scripts and systems are members of their own."
    >
      {members.error && !members.data && <Failed error={members.error} reset={() => members.refetch()} />}
      <ul>
        {members.data?.items.map((member) => (
          <Row key={member.id} member={member} onChanged={changed} />
        ))}
      </ul>
      <form
        className={table.row}
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <TextField label="Name of a new member" required maxLength={100} value={name} onText={setName} />
        <SelectField
          label="Role"
          value={role}
          options={names.map((one): [Role, string] => [one, ROLES[one]])}
          onPick={setRole}
        />
        <SelectField
          label="What it is"
          value={kind}
          options={[
            ['user', 'A person'],
            ['integration', 'A script or system'],
          ]}
          onPick={setKind}
        />
        <Button type="submit" look="main" busy={add.isPending}>
          Add
        </Button>
      </form>
      {add.error && <Failed error={add.error} />}
    </Section>
  );
}

function Row({ member, onChanged }: { member: Member; onChanged: () => void }) {
  const [open, setOpen] = useState(false);
  const change = useMutation({
    mutationFn: (role: Role) => call(changeMember({ path: { id: member.id }, body: { role } })),
    onSettled: onChanged,
  });
  const remove = useMutation({
    mutationFn: () => call(removeMember({ path: { id: member.id } })),
    onSettled: onChanged,
  });
  const error = change.error ?? remove.error;
  return (
    <li className={table.entry}>
      <div className={table.row}>
        <span className={table.grow}>
          {member.name}
          {member.kind === 'integration' && <span className={table.muted}> (script or system)</span>}
        </span>
        <label className="visually-hidden" htmlFor={`role-${member.id}`}>
          Role of {member.name}
        </label>
        <select
          id={`role-${member.id}`}
          className={table.choose}
          value={member.role}
          disabled={change.isPending}
          onChange={(event) => change.mutate(event.target.value as Role)}
        >
          {names.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
        <Button
          aria-expanded={open}
          aria-label={`Tokens of ${member.name}`}
          onClick={() => setOpen((was) => !was)}
        >
          Tokens
        </Button>
        <Confirm
          title={`Remove ${member.name}?`}
          text="Their tokens are revoked at once. What they did stays, with their name."
          verb="Remove"
          onConfirm={() => remove.mutate()}
        >
          <Button look="danger" aria-label={`Remove ${member.name}`} busy={remove.isPending}>
            Remove
          </Button>
        </Confirm>
      </div>
      {error && <Failed error={error} />}
      {open && <Tokens member={member} />}
    </li>
  );
}

function Tokens({ member }: { member: Member }) {
  const client = useQueryClient();
  const key = ['members', member.id, 'tokens'];
  const path = { id: member.id };
  const tokens = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => call(listMemberTokens({ path, signal })),
  });
  const changed = () => client.invalidateQueries({ queryKey: key });
  const [label, setLabel] = useState('');
  const [days, setDays] = useState('');
  const make = useMutation({
    mutationFn: () =>
      call(makeMemberToken({ path, body: { label, ...(days && { expires_in_days: Number(days) }) } })),
    onSuccess: () => setLabel(''),
    onSettled: changed,
  });
  const revoke = useMutation({
    mutationFn: (id: string) => call(revokeMemberToken({ path: { id } })),
    onSettled: changed,
  });
  const error = tokens.error ?? make.error ?? revoke.error;
  return (
    <div className={table.inset}>
      <ul>
        {tokens.data?.items.map((token) => (
          <li key={token.id} className={table.row}>
            <span className={table.grow}>{token.label ?? 'made at the setup or by a sign-in'}</span>
            <span className={table.muted}>
              {token.expires_at ? (
                <>
                  ends <Ago at={token.expires_at} />
                </>
              ) : (
                'does not end'
              )}
            </span>
            <Button
              look="quiet"
              aria-label={`Revoke ${token.label ?? token.id}`}
              busy={revoke.isPending}
              onClick={() => revoke.mutate(token.id)}
            >
              Revoke
            </Button>
          </li>
        ))}
      </ul>
      <form
        className={table.row}
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <TextField label="What a new token is for" required maxLength={200} value={label} onText={setLabel} />
        <TextField
          label="Days until it ends"
          type="number"
          min={1}
          max={3650}
          placeholder="never"
          value={days}
          onText={setDays}
        />
        <Button type="submit" busy={make.isPending}>
          Make a token
        </Button>
      </form>
      {make.data && <Once label={`The token for ${member.name}, shown this once.`} text={make.data.token} />}
      {error && <Failed error={error} />}
    </div>
  );
}
