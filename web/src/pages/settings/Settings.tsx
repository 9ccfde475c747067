import { useQuery } from '@tanstack/react-query';
import { meQuery } from '@/app/session';
import { Page } from '@/parts/Page';
import { Audit } from './Audit';
import { Credentials } from './Credentials';
import { Members } from './Members';
import { Model } from './Model';
import { Notifications } from './Notifications';
import { SettingsNav } from './SettingsNav';
import { You } from './You';

/** What holds for the reader, and for the workspace. */
export function Settings() {
  const me = useQuery(meQuery);
  const isAdmin = me.data?.role === 'admin';
  return (
    <Page title="Settings" above={<SettingsNav />}>
      <You />
      <Notifications />
      {isAdmin ? (
        <>
          <Members />
          <Model />
          <Credentials />
          <Audit />
        </>
      ) : (
        <p>Members, the model and credentials of the workspace are for administrators.</p>
      )}
    </Page>
  );
}
