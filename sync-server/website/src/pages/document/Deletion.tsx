// Deleting a document, of what was seen of it; and bringing it back.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, type ReactNode } from "react";
import { useNavigate } from "react-router";

import { readWithTag, relay } from "../../api/client.ts";
import { documentQuery, type DocumentPlace } from "../../api/document.ts";
import { takeVersion } from "../../api/edits.ts";
import { text } from "../../text.ts";
import { Button, ButtonLink } from "../../ui/Button.tsx";
import { Empty, Page } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import ui from "../../ui/ui.module.css";
import { nameOf } from "../vault/names.ts";
import type { OpenDocument } from "./useDocument.ts";

export function DeleteButton({ open }: { open: OpenDocument }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const client = useQueryClient();
  const navigate = useNavigate();
  const { place, version } = open;
  const deletion = useMutation({
    mutationFn: () =>
      readWithTag(
        relay.DELETE("/api/v1/spaces/{space}/documents/{document}", {
          params: { path: place, header: { "If-Match": version.etag, "Idempotency-Key": `"${crypto.randomUUID()}"` } },
        }),
      ),
    onSuccess: async () => {
      dialog.current?.close();
      await navigate("/vault");
      client.removeQueries({ queryKey: documentQuery(place).queryKey });
      await client.invalidateQueries({ queryKey: ["space", place.space, "documents"] });
    },
  });
  return (
    <>
      <Button look="danger" onClick={() => dialog.current?.showModal()}>
        {text.deletion.title}
      </Button>
      <dialog ref={dialog} className={ui.dialog} aria-labelledby="deletion">
        <div className={ui.dialogBody}>
          <h2 id="deletion">{text.deletion.ask(nameOf(version.document).name)}</h2>
          <p>{text.deletion.about}</p>
          {deletion.error && <ProblemNote error={deletion.error} />}
          <div className={ui.dialogActions}>
            <Button onClick={() => dialog.current?.close()}>{text.cancel}</Button>
            <Button look="danger" disabled={deletion.isPending} onClick={() => deletion.mutate()}>
              {text.deletion.title}
            </Button>
          </div>
        </div>
      </dialog>
    </>
  );
}

export function Deleted({ place, crumbs }: { place: DocumentPlace; crumbs: ReactNode }) {
  const client = useQueryClient();
  const restoring = useMutation({
    mutationFn: () =>
      readWithTag(
        relay.POST("/api/v1/spaces/{space}/documents/{document}/restore", {
          params: { path: place, header: { "Idempotency-Key": `"${crypto.randomUUID()}"` } },
        }),
      ),
    onSuccess: async ({ body, etag }) => {
      if ("value" in body) takeVersion(client, place, { document: body, etag: etag ?? "*" });
      await client.invalidateQueries({ queryKey: ["space", place.space] });
    },
  });
  return (
    <Page title={text.deletion.deleted} crumbs={crumbs}>
      {restoring.error && <ProblemNote error={restoring.error} />}
      <Empty icon="reset" title={text.deletion.back}>
        {text.deletion.backAbout}
      </Empty>
      <div className={ui.dialogActions}>
        <ButtonLink to={`/vault/${place.space}/${place.document}/history`}>{text.history.title}</ButtonLink>
        <Button look="primary" disabled={restoring.isPending} onClick={() => restoring.mutate()}>
          {text.deletion.restore}
        </Button>
      </div>
    </Page>
  );
}
