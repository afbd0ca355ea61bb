// There is no page at this address.

import { text } from "../../text.ts";
import { ButtonLink } from "../../ui/Button.tsx";
import { Empty, Page } from "../../ui/parts.tsx";

export function NotFound() {
  return (
    <Page title={text.notFound.title} actions={<ButtonLink to="/">{text.notFound.home}</ButtonLink>}>
      <Empty icon="search" title={text.notFound.what}>
        {text.notFound.about}
      </Empty>
    </Page>
  );
}
