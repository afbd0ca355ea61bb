// Makes a document equal to what it was, as a new edit: nothing is lost by it, and it can be taken back the same way.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useSyncExternalStore } from "react";

import { documentQuery, type DocumentPlace, type Edit } from "../../api/document.ts";
import { editsOfDocument } from "../../api/edits.ts";
import type { Json } from "../../document/json.ts";
import { patchTo } from "../../document/patch.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import { Dot } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import styles from "./history.module.css";

export function Restore({ place, to, at }: { place: DocumentPlace; to: Json; at: Edit }) {
  const client = useQueryClient();
  const edits = useMemo(() => editsOfDocument(client, place), [client, place]);
  const pending = useSyncExternalStore(edits.subscribe, edits.pending);
  const now = useQuery(documentQuery(place)).data;
  const failed = pending.find((edit) => edit.state === "failed");
  const isOnItsWay = pending.some((edit) => edit.state !== "failed");
  if (now === undefined) return null;
  return (
    <>
      <span className={styles.restore}>
        {isOnItsWay && (
          <span role="status">
            <Dot state="none" /> {text.save.sending}
          </span>
        )}
        <Button
          icon="reset"
          look="primary"
          disabled={isOnItsWay}
          onClick={() => edits.apply(now, patchTo(now.document.value as Json, to))}
          title={new Date(at.time).toLocaleString()}
        >
          {text.history.restore}
        </Button>
      </span>
      {failed && (
        <ProblemNote
          error={failed.problem}
          onRetry={() => edits.retry(failed.id, now.etag)}
          onDismiss={() => edits.discard(failed.id)}
        />
      )}
    </>
  );
}
