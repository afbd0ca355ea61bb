// One document: its head, whether its edits are saved, and the view that fits its type.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ComponentType } from "react";
import { Link } from "react-router";

import { inboxQuery } from "../../api/conflicts.ts";
import type { DocumentPlace } from "../../api/document.ts";
import { spacesQuery } from "../../api/documents.ts";
import { asProblem } from "../../api/problem.ts";
import { LiveMark } from "../../app/Shell.tsx";
import { schemaOf } from "../../document/schema.ts";
import { text } from "../../text.ts";
import { ButtonLink } from "../../ui/Button.tsx";
import { Page, Skeleton } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { nameOf, typeName } from "../vault/names.ts";
import { Deleted, DeleteButton } from "./Deletion.tsx";
import { Fields } from "./Fields.tsx";
import { Held } from "./Held.tsx";
import { Keymap } from "./Keymap.tsx";
import { laterNote } from "./laterNote.ts";
import { Present } from "./Present.tsx";
import { Publication } from "./Publication.tsx";
import { SaveState } from "./SaveState.tsx";
import { Settings } from "./Settings.tsx";
import styles from "./document.module.css";
import { useDocument, usePlace, type OpenDocument } from "./useDocument.ts";

const views: Readonly<Record<string, ComponentType<{ open: OpenDocument }>>> = {
  settings: Settings,
  keymap: Keymap,
  note: laterNote.View,
};

export default function DocumentPage() {
  const place = usePlace();
  const client = useQueryClient();
  const space = useQuery(spacesQuery).data?.find(({ id }) => id === place.space);
  const { open, error } = useDocument(place, space !== undefined && space.role !== "viewer");
  const crumbs = (
    <>
      <Link to="/vault">{text.vault.title}</Link>
      <span aria-hidden="true">/</span>
      <span>{space?.name ?? text.vault.space}</span>
    </>
  );
  if (error !== null && asProblem(error).code === "document_deleted") return <Deleted place={place} crumbs={crumbs} />;
  if (open === null) {
    return (
      <Page title={text.document.title} crumbs={crumbs}>
        {error === null ? (
          <Skeleton />
        ) : (
          <ProblemNote
            error={error}
            onRetry={() => void client.invalidateQueries({ queryKey: ["space", place.space] })}
          />
        )}
      </Page>
    );
  }
  const { document } = open.version;
  const View = views[document.type ?? ""] ?? Fields;
  const isWellKnown = schemaOf(document.type)?.["x-well-known"] === true;
  return (
    <Page
      key={place.document}
      title={nameOf(document).name}
      crumbs={crumbs}
      about={
        <span className={styles.state}>
          {document.title !== null && `${typeName(document.type)} · `}
          <LiveMark /> · <SaveState open={open} /> <WaitingFields place={place} />
          <Present place={place} />
        </span>
      }
      actions={
        <>
          <ButtonLink icon="clock" to={`/vault/${place.space}/${place.document}/history`}>
            {text.history.title}
          </ButtonLink>
          {!isWellKnown && !open.isReadOnly && <DeleteButton open={open} />}
        </>
      }
    >
      {document.held !== null && <Held place={place} reason={document.held} isOwner={space?.role === "owner"} />}
      <Publication open={open} />
      <View open={open} />
    </Page>
  );
}

/** Fields of the document about which a person has to decide. In a line that is there anyway: it is known late, and
 *  nothing is to move then. */
function WaitingFields({ place: { space, document } }: { place: DocumentPlace }) {
  const waiting = useQuery(inboxQuery).data?.find((item) => item.space === space && item.id === document);
  if (waiting === undefined) return null;
  return (
    <Link to={`/conflicts/${space}/${document}`} className={styles.waiting}>
      {text.conflicts.waiting(waiting.fields)}
    </Link>
  );
}
