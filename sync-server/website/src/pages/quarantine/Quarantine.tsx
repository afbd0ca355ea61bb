// Changes of this account that the relay refused, with the reason; they are safe on the device that made them.

import { useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";

import { spacesQuery } from "../../api/documents.ts";
import { quarantineQuery } from "../../api/quarantine.ts";
import { text } from "../../text.ts";
import { Empty, Page, Panel, Skeleton, Time } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { Refused, type Outcome } from "./Refused.tsx";
import styles from "./quarantine.module.css";

export default function Quarantine() {
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const spaces = useQuery(spacesQuery);
  const lists = useQueries({ queries: (spaces.data ?? []).map(({ id }) => quarantineQuery(id)) });
  const error = spaces.error ?? lists.find((list) => list.error)?.error ?? null;
  const isPending = spaces.isPending || lists.some((list) => list.isPending);
  const filled = (spaces.data ?? [])
    .map((space, index) => ({ space, quarantine: lists[index]?.data }))
    .filter(
      ({ quarantine }) => quarantine !== undefined && (quarantine.items.length > 0 || quarantine.waiting.batches > 0),
    );
  return (
    <Page title={text.quarantine.title} about={text.quarantine.about}>
      <div role="status">{outcome !== null && <Told outcome={outcome} />}</div>
      {error !== null && <ProblemNote error={error} onRetry={() => void spaces.refetch()} />}
      {isPending && error === null && <Skeleton rows={3} />}
      {!isPending && filled.length === 0 && error === null && (
        <Empty icon="shield" title={text.quarantine.empty} command={["vault quarantine list", "vault status"]}>
          {text.quarantine.emptyAbout}
        </Empty>
      )}
      {filled.map(({ space, quarantine }) => (
        <Panel key={space.id} title={space.name}>
          {quarantine && quarantine.waiting.batches > 0 && (
            <p className={styles.waiting}>
              {text.quarantine.waiting(quarantine.waiting.batches)}{" "}
              {quarantine.waiting.since !== null && <Time at={quarantine.waiting.since} />}
            </p>
          )}
          <ul>
            {quarantine?.items.map((change) => (
              <Refused
                key={`${change.hash}/${change.device}`}
                space={space.id}
                change={change}
                isReadOnly={space.role === "viewer"}
                onDone={setOutcome}
              />
            ))}
          </ul>
        </Panel>
      ))}
      {filled.length > 0 && <p className={styles.meta}>{text.quarantine.devices}</p>}
    </Page>
  );
}

/** What became of the last one that was decided about. */
function Told({ outcome: { what, space, document } }: { outcome: Outcome }) {
  return (
    <p className={styles.outcome}>
      {text.quarantine.outcomes[what]}{" "}
      {what !== "discarded" && <Link to={`/vault/${space}/${document}`}>{text.quarantine.document}</Link>}
    </p>
  );
}
