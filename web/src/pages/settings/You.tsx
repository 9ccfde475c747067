import { useMutation, useQuery } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { useState } from 'react';
import { meQuery, signOut } from '@/app/session';
import { setTheme, type Theme, theme } from '@/app/theme';
import { Button } from '@/parts/Button';
import { SelectField } from '@/parts/Field';
import { Section } from '@/parts/Page';

/** Who is signed in, and how the page looks to them. */
export function You() {
  const me = useQuery(meQuery);
  const router = useRouter();
  const [chosen, choose] = useState<Theme>(theme);
  const leave = useMutation({
    mutationFn: signOut,
    onSuccess: () => router.navigate({ to: '/sign-in' }),
  });
  return (
    <Section
      title="You"
      waits={me.isPending}
      note={me.data && `${me.data.name}, in ${me.data.workspace_name}`}
    >
      <SelectField
        label="Theme"
        value={chosen}
        options={[
          ['system', 'As the system'],
          ['light', 'Light'],
          ['dark', 'Dark'],
        ]}
        onPick={(wanted) => {
          choose(wanted);
          setTheme(wanted);
        }}
      />
      <div>
        <Button busy={leave.isPending} onClick={() => leave.mutate()}>
          Sign out of this browser
        </Button>
      </div>
      {me.data && <p>Server {me.data.server_version}</p>}
    </Section>
  );
}
