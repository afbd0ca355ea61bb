// The place of the marketplace: says what will be here.

import { text } from "../../text.ts";
import { ButtonLink } from "../../ui/Button.tsx";
import { Empty, Page } from "../../ui/parts.tsx";

export default function Marketplace() {
  return (
    <Page title={text.marketplace.title} about={text.marketplace.about}>
      <Empty icon="grid" title={text.marketplace.empty}>
        {text.marketplace.soon}
      </Empty>
      <div>
        <ButtonLink to="/docs/schemas">{text.marketplace.read}</ButtonLink>
      </div>
    </Page>
  );
}
