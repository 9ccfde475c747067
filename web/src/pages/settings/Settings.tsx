import { Page } from '@/parts/Page';
import { Credentials } from './Credentials';
import { Model } from './Model';
import { You } from './You';

/** What holds for the reader, and for the workspace. */
export function Settings() {
  return (
    <Page title="Settings">
      <You />
      <Model />
      <Credentials />
    </Page>
  );
}
