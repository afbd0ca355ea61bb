// Lets in whoever may see a page; tells everybody else how to get in. The relay decides about every request anyway:
// this only spares people pages full of refusals.

import type { ReactNode } from "react";

import { useLive } from "./live.ts";
import { text } from "../text.ts";
import { Empty, Page, Skeleton } from "../ui/parts.tsx";
import { ProblemNote } from "../ui/ProblemNote.tsx";
import { RecoverFromErrors } from "./RecoverFromErrors.tsx";
import type { Route } from "./routes.ts";
import { useSession } from "./session.ts";

export function Gate({ route }: { route: Route }) {
  return (
    <RecoverFromErrors key={route.path}>
      {route.access === "everybody" ? <route.Page /> : <SignedIn route={route} />}
    </RecoverFromErrors>
  );
}

function SignedIn({ route }: { route: Route }): ReactNode {
  const { session, error } = useSession();
  const hasEnded = useLive() === "ended";
  if (error !== null) {
    return (
      <Page title={text.session.unknown}>
        <ProblemNote error={error} onRetry={() => location.reload()} />
      </Page>
    );
  }
  if (session === undefined) return <Skeleton />;
  if (session === null) {
    const words = hasEnded ? text.session.ended : text.session.needed;
    return (
      <Page title={words.title}>
        <Empty icon="person" title={text.session.how} command={["sync-server account link NAME"]}>
          {words.about}
        </Empty>
      </Page>
    );
  }
  if (route.access === "operator" && session.account.role !== "operator") {
    return (
      <Page title={text.operator.title}>
        <Empty
          icon="shield"
          title={text.operator.needed}
          command={[`sync-server account role ${session.account.name} operator`]}
        >
          {text.operator.neededAbout}
        </Empty>
      </Page>
    );
  }
  return <route.Page />;
}
