// One document as a page works with it: what the relay has, with the edits that are on their way, and ways to edit.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useSyncExternalStore } from "react";
import { useParams } from "react-router";

import { documentQuery, type DocumentPlace, type Version } from "../../api/document.ts";
import { editsOfDocument, withEdits, type PendingEdit } from "../../api/edits.ts";
import type { Json, NewValue, Path } from "../../document/json.ts";

export interface OpenDocument {
  place: DocumentPlace;
  version: Version;
  /** The merged state with what is on its way. */
  value: Json;
  pending: readonly PendingEdit[];
  isReadOnly: boolean;
  put: (path: Path, value: NewValue) => void;
  retry: (edit: PendingEdit) => void;
  discard: (edit: PendingEdit) => void;
}

export function usePlace(): DocumentPlace {
  const { space = "", document = "" } = useParams();
  return useMemo(() => ({ space, document }), [space, document]);
}

export function useDocument(place: DocumentPlace, mayEdit: boolean): { open: OpenDocument | null; error: unknown } {
  const client = useQueryClient();
  const edits = useMemo(() => editsOfDocument(client, place), [client, place]);
  const pending = useSyncExternalStore(edits.subscribe, edits.pending);
  const { data, error } = useQuery(documentQuery(place));
  const open = useMemo((): OpenDocument | null => {
    if (data === undefined) return null;
    return {
      place,
      version: data,
      value: withEdits(data.document.value as Json, pending),
      pending,
      isReadOnly: !mayEdit || data.document.held !== null,
      put: (path, value) => edits.put(data, path, value),
      retry: (edit) => edits.retry(edit.id, data.etag),
      discard: (edit) => edits.discard(edit.id),
    };
  }, [data, edits, mayEdit, pending, place]);
  return { open, error };
}
