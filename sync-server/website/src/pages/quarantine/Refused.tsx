// One refused change: why, what it changed, and the ways on.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useRef, useState } from "react";
import { Link } from "react-router";

import { takeVersion } from "../../api/edits.ts";
import {
  discard,
  exported,
  isEverLoaded,
  quarantineQuery,
  refusedQuery,
  resubmit,
  type RefusedChange,
  type RefusedPlace,
  type RefusedValue,
} from "../../api/quarantine.ts";
import { parsePointer, type Json } from "../../document/json.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import { Command } from "../../ui/Command.tsx";
import { download } from "../../ui/download.ts";
import { Badge, Id, Skeleton, Time } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import ui from "../../ui/ui.module.css";
import { Differences } from "../history/Differences.tsx";
import styles from "./quarantine.module.css";

/** What became of a refused change. */
export interface Outcome {
  what: "resubmitted" | "stored" | "discarded";
  space: string;
  document: string;
}

interface Props {
  space: string;
  change: RefusedChange;
  isReadOnly: boolean;
  onDone: (outcome: Outcome) => void;
}

export function Refused({ space, change, isReadOnly, onDone }: Props) {
  const client = useQueryClient();
  const [key] = useState(() => crypto.randomUUID());
  const { hash, document } = change;
  const place = { space, hash };
  const done = async (what: Outcome["what"]): Promise<void> => {
    onDone({ what, space, document });
    await client.invalidateQueries({ queryKey: quarantineQuery(space).queryKey });
  };
  const again = useMutation({
    mutationFn: () => resubmit(place, key),
    onSuccess: async (version) => {
      if (version) takeVersion(client, { space, document }, version);
      await done(version ? "resubmitted" : "stored");
    },
  });
  const saving = useMutation({
    mutationFn: () => exported(place),
    onSuccess: (content) => download(`refused-${hash.slice(0, 8)}.json`, content, "application/json"),
  });
  return (
    <li className={styles.refused}>
      <div className={styles.head}>
        <code>{change.code}</code>
        {change.final && <Badge tone="bad">{text.quarantine.final}</Badge>}
        <span className={styles.when}>
          <Time at={change.time} />
        </span>
      </div>
      <p>{change.detail}</p>
      <p className={styles.meta}>
        <Link to={`/vault/${space}/${document}`}>{text.quarantine.document}</Link> · {text.quarantine.change}{" "}
        <Id of={hash} /> · {text.device} <Id of={change.device} />
        {change.bytes !== null && ` · ${text.bytes(change.bytes)}`}
      </p>
      <Looked place={place} />
      <div className={styles.actions}>
        {isEverLoaded(change) && (
          <Button look="primary" size="small" disabled={isReadOnly || again.isPending} onClick={() => again.mutate()}>
            {text.quarantine.resubmit}
          </Button>
        )}
        <Button size="small" disabled={saving.isPending} onClick={() => saving.mutate()}>
          {text.quarantine.export}
        </Button>
        <DiscardButton place={place} onDone={() => done("discarded")} />
      </div>
      {again.error && <ProblemNote error={again.error} onDismiss={() => again.reset()} />}
      {saving.error && <ProblemNote error={saving.error} onDismiss={() => saving.reset()} />}
      {!isEverLoaded(change) && <p className={styles.meta}>{text.quarantine.neverLoaded}</p>}
      <p className={styles.meta}>{text.quarantine.onDevice}</p>
      <Command lines={[`vault quarantine show ${shortOf(change.batch)}`]} />
    </li>
  );
}

/** What it changed, once somebody wants to see it: the relay puts that together from its history. */
function Looked({ place }: { place: RefusedPlace }) {
  const [isOpen, setOpen] = useState(false);
  const looked = useQuery({ ...refusedQuery(place), enabled: isOpen });
  return (
    <details className={styles.looked} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{text.quarantine.look}</summary>
      {looked.error && <ProblemNote error={looked.error} onRetry={() => void looked.refetch()} />}
      {isOpen && looked.isPending && <Skeleton rows={1} />}
      {looked.data && (
        <>
          <Values values={looked.data.refused.values} unreadable={looked.data.refused.unreadable} />
          {looked.data.continued_by !== null && <p className={styles.meta}>{text.quarantine.continued}</p>}
          {looked.data.resubmitted_by !== null && <p className={styles.meta}>{text.quarantine.saidAgain}</p>}
        </>
      )}
    </details>
  );
}

function Values({ values, unreadable }: { values?: RefusedValue[] | undefined; unreadable?: string | undefined }) {
  if (values === undefined) return <p>{text.quarantine.unreadable(unreadable ?? "")}</p>;
  if (values.length === 0) return <p>{text.quarantine.noValues}</p>;
  return <Differences differences={values.map(differenceOf)} />;
}

/** In a refused change null is what is not there. */
function differenceOf({ path, before, after }: RefusedValue) {
  const present = (value: unknown): Json | undefined => (value === null ? undefined : (value as Json));
  return { path: parsePointer(path), before: present(before), after: present(after) };
}

function DiscardButton({ place, onDone }: { place: RefusedPlace; onDone: () => Promise<void> }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const discarding = useMutation({
    mutationFn: () => discard(place),
    onSuccess: async () => {
      dialog.current?.close();
      await onDone();
    },
  });
  return (
    <>
      <Button look="danger" size="small" onClick={() => dialog.current?.showModal()}>
        {text.quarantine.discard}
      </Button>
      <dialog ref={dialog} className={ui.dialog} aria-labelledby={id}>
        <div className={ui.dialogBody}>
          <h2 id={id}>{text.quarantine.discardAsk(place.hash.slice(0, 8))}</h2>
          <p>{text.quarantine.discardAbout}</p>
          {discarding.error && <ProblemNote error={discarding.error} />}
          <div className={ui.dialogActions}>
            <Button onClick={() => dialog.current?.close()}>{text.cancel}</Button>
            <Button look="danger" disabled={discarding.isPending} onClick={() => discarding.mutate()}>
              {text.quarantine.discardHere}
            </Button>
          </div>
        </div>
      </dialog>
    </>
  );
}

/** The vault takes the beginning of an id. */
function shortOf(batch: string): string {
  return batch.slice(0, 12);
}
