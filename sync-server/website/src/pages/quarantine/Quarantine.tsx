// Changes of this account that the relay refused, with the reason; they are safe on the device that made them.

import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { quarantineQuery, type RefusedBatch } from "../../api/quarantine.ts";
import { spacesQuery } from "../../api/documents.ts";
import { text } from "../../text.ts";
import { Command } from "../../ui/Command.tsx";
import { Badge, Empty, Id, Page, Panel, Skeleton, Time } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import styles from "./quarantine.module.css";

export default function Quarantine() {
  const spaces = useQuery(spacesQuery);
  const lists = useQueries({ queries: (spaces.data ?? []).map(({ id }) => quarantineQuery(id)) });
  const error = spaces.error ?? lists.find((list) => list.error)?.error ?? null;
  const isPending = spaces.isPending || lists.some((list) => list.isPending);
  const filled = (spaces.data ?? [])
    .map((space, index) => ({ space, quarantine: lists[index]?.data }))
    .filter(
      ({ quarantine }) => quarantine !== undefined && (quarantine.batches.length > 0 || quarantine.waiting.batches > 0),
    );
  return (
    <Page title={text.quarantine.title} about={text.quarantine.about}>
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
            {quarantine?.batches.map((batch) => (
              <Refused key={batch.batch} space={space.id} refused={batch} />
            ))}
          </ul>
        </Panel>
      ))}
    </Page>
  );
}

function Refused({ space, refused }: { space: string; refused: RefusedBatch }) {
  return (
    <li className={styles.refused}>
      <div className={styles.head}>
        <code>{refused.code}</code>
        {refused.isFinal && <Badge tone="bad">{text.quarantine.final}</Badge>}
        <span className={styles.when}>
          <Time at={refused.time} />
        </span>
      </div>
      <p>{refused.detail}</p>
      <p className={styles.meta}>
        <Link to={`/vault/${space}/${refused.document}`}>{text.quarantine.document}</Link> · {text.device}{" "}
        <Id of={refused.device} /> · {text.quarantine.changes(refused.changes)}
        {refused.bytes > 0 && ` · ${text.bytes(refused.bytes)}`}
      </p>
      <p className={styles.meta}>{text.quarantine.remedy}</p>
      <Command
        lines={[
          `vault quarantine show ${shortOf(refused.batch)}`,
          `vault quarantine resubmit ${shortOf(refused.batch)}`,
        ]}
      />
    </li>
  );
}

/** The vault takes the beginning of an id. */
function shortOf(batch: string): string {
  return batch.slice(0, 12);
}
