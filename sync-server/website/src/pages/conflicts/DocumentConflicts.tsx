// The fields of one document that wait, each with its values side by side: one of them is kept, or another is put.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type SyntheticEvent } from "react";
import { Link } from "react-router";

import {
  conflictsQuery,
  inboxQuery,
  resolve,
  type Choice,
  type Conflict,
  type ConflictValue,
} from "../../api/conflicts.ts";
import type { DocumentPlace } from "../../api/document.ts";
import { spacesQuery } from "../../api/documents.ts";
import { takeVersion } from "../../api/edits.ts";
import { asProblem } from "../../api/problem.ts";
import { parsePointer, type Json } from "../../document/json.ts";
import { fieldAt, schemaOf } from "../../document/schema.ts";
import { text } from "../../text.ts";
import { Button, ButtonLink } from "../../ui/Button.tsx";
import { Badge, Empty, Id, Page, Panel, Skeleton, Time } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import ui from "../../ui/ui.module.css";
import { usePlace } from "../document/useDocument.ts";
import { nameOf } from "../vault/names.ts";
import styles from "./conflicts.module.css";

export default function DocumentConflicts() {
  const place = usePlace();
  const conflicts = useQuery(conflictsQuery(place));
  const space = useQuery(spacesQuery).data?.find(({ id }) => id === place.space);
  const name = conflicts.data ? nameOf(conflicts.data).name : text.document.title;
  return (
    <Page
      title={text.conflicts.in(name)}
      about={text.conflicts.inAbout}
      crumbs={<Link to="/conflicts">{text.conflicts.title}</Link>}
      actions={<ButtonLink to={`/vault/${place.space}/${place.document}`}>{text.conflicts.open}</ButtonLink>}
    >
      {conflicts.error && <ProblemNote error={conflicts.error} onRetry={() => void conflicts.refetch()} />}
      {conflicts.isPending && <Skeleton rows={3} />}
      {conflicts.data?.items.length === 0 && (
        <Empty icon="check" title={text.conflicts.settled}>
          {text.conflicts.settledAbout}
        </Empty>
      )}
      {conflicts.data?.items.map((conflict) => (
        <Waiting
          key={conflict.stored_path}
          place={place}
          type={conflicts.data.type}
          conflict={conflict}
          isReadOnly={space === undefined || space.role === "viewer"}
        />
      ))}
    </Page>
  );
}

interface WaitingProps {
  place: DocumentPlace;
  type: string | null;
  conflict: Conflict;
  isReadOnly: boolean;
}

function Waiting({ place, type, conflict, isReadOnly }: WaitingProps) {
  const client = useQueryClient();
  // One key for what was seen: pressing twice decides once.
  const [key] = useState(() => crypto.randomUUID());
  const decision = useMutation({
    mutationFn: (choice: Choice) => resolve(place, conflict, choice, `${key}-${hashOf(choice)}`),
    onSuccess: async (version) => {
      if (version) takeVersion(client, place, version);
      await Promise.all([
        client.invalidateQueries({ queryKey: ["space", place.space] }),
        client.invalidateQueries({ queryKey: inboxQuery.queryKey }),
      ]);
    },
    onError: async (error) => {
      // What is open has changed: show that, and why nothing was decided.
      if (["conflict_moved", "no_conflict"].includes(asProblem(error).code)) {
        await client.invalidateQueries({ queryKey: conflictsQuery(place).queryKey });
      }
    },
  });
  const schema = schemaOf(type);
  const field = schema && fieldAt(schema, parsePointer(conflict.path));
  return (
    <Panel
      title={<code>{conflict.path}</code>}
      actions={<Badge tone="warn">{text.conflicts.values(conflict.values.length)}</Badge>}
    >
      <div className={styles.conflict}>
        {field?.description !== undefined && <p className={styles.about}>{field.description}</p>}
        <ul className={styles.values}>
          {conflict.values.map((value) => (
            <Value
              key={value.change}
              value={value}
              isDisabled={isReadOnly || decision.isPending}
              onKeep={() => decision.mutate({ keep: value.change })}
            />
          ))}
        </ul>
        {!isReadOnly && <Another isDisabled={decision.isPending} onPut={(value) => decision.mutate({ value })} />}
        {decision.error && <ProblemNote error={decision.error} onDismiss={() => decision.reset()} />}
      </div>
    </Panel>
  );
}

interface ValueProps {
  value: ConflictValue;
  isDisabled: boolean;
  onKeep: () => void;
}

function Value({ value, isDisabled, onKeep }: ValueProps) {
  const shown = value.value as Json;
  const words =
    shown === null ? text.conflicts.removal : typeof shown === "string" ? shown : JSON.stringify(shown, null, 2);
  const time = value.device_time ?? value.time;
  return (
    <li className={styles.value} data-shown={value.shown}>
      <div className={styles.head}>
        <span>
          {text.device} {value.device === null ? text.conflicts.erased : <Id of={value.device} />}
        </span>
        {value.shown && <Badge tone="accent">{text.conflicts.shown}</Badge>}
      </div>
      <pre data-removal={shown === null}>{words}</pre>
      <div className={styles.foot}>
        <span>{time !== null && <Time at={time} />}</span>
        <Button size="small" disabled={isDisabled} onClick={onKeep} aria-label={text.conflicts.keepNamed(words)}>
          {text.conflicts.keep}
        </Button>
      </div>
    </li>
  );
}

function Another({ isDisabled, onPut }: { isDisabled: boolean; onPut: (value: Json) => void }) {
  const [entered, setEntered] = useState("");
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    onPut(entered);
  };
  return (
    <form className={styles.another} onSubmit={submit}>
      <label>
        <span>{text.conflicts.another}</span>
        <input className={ui.input} value={entered} onChange={(event) => setEntered(event.target.value)} required />
      </label>
      <Button type="submit" disabled={isDisabled}>
        {text.conflicts.put}
      </Button>
    </form>
  );
}

/** Tells decisions of one conflict apart: the same one again has the same idempotency key. */
function hashOf(choice: Choice): string {
  let hash = 0;
  for (const letter of JSON.stringify(choice)) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0;
  return (hash >>> 0).toString(36);
}
