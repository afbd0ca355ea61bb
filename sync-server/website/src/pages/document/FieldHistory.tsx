// The history of one field: who gave it which value, and when. The relay keeps the history of documents; the values
// of a field are read out of their versions, a few at a time, from the newest on.

import { useInfiniteQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { editsOf, historyQuery, versionQuery, type DocumentPlace, type Edit } from "../../api/document.ts";
import { inOneLine, isEqual, valueAt, type Json, type Path } from "../../document/json.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import { Id, Time } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import ui from "../../ui/ui.module.css";
import styles from "./document.module.css";

/** The relay rebuilds a version for each look; so many are read for one press of the button. */
const stepEdits = 20;

interface FieldChange {
  edit: Edit;
  value: Json | undefined;
}

interface Props {
  place: DocumentPlace;
  path: Path;
  onClose: () => void;
}

export function FieldHistory({ place, path, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { changes, isReading, isAll, error, readMore } = useChanges(place, path);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className={ui.dialog} aria-labelledby="field-history" onClose={onClose}>
      <div className={ui.dialogBody}>
        <div className={styles.dialogHead}>
          <h2 id="field-history">
            <code>{path.at(-1)}</code>
          </h2>
          <Button
            look="quiet"
            size="small"
            icon="close"
            aria-label={text.close}
            onClick={() => dialog.current?.close()}
          />
        </div>
        {error !== null && <ProblemNote error={error} onRetry={readMore} />}
        <ol className={styles.versions} aria-busy={isReading}>
          {changes.map(({ edit, value }) => (
            <li key={edit.batch}>
              {value === undefined ? <span>{text.fieldHistory.removed}</span> : <code>{inOneLine(value)}</code>}
              <span className={styles.who}>
                <Time at={edit.time} />
                <span>
                  {text.device} <Id of={edit.device} />
                </span>
              </span>
            </li>
          ))}
        </ol>
        <div className={ui.dialogActions}>
          <span role="status" className={styles.muted}>
            {isReading ? text.fieldHistory.reading : isAll ? text.fieldHistory.all : ""}
          </span>
          {!isAll && (
            <Button size="small" disabled={isReading} onClick={readMore}>
              {text.fieldHistory.more}
            </Button>
          )}
        </div>
      </div>
    </dialog>
  );
}

function useChanges(place: DocumentPlace, path: Path) {
  const client = useQueryClient();
  const history = useInfiniteQuery(historyQuery(place));
  const edits = editsOf(history.data?.pages.flatMap((page) => page.items) ?? []).filter(isReadable);
  const [values, setValues] = useState<(Json | undefined)[]>([]);
  const [wanted, setWanted] = useState(stepEdits);
  const [error, setError] = useState<unknown>(null);
  const next = values.length < Math.min(wanted, edits.length) ? edits[values.length] : undefined;
  useEffect(() => {
    if (next === undefined || error !== null) return;
    let isCurrent = true;
    readField(client, place, path, next).then(
      (value) => isCurrent && setValues((known) => [...known, value]),
      (error: unknown) => isCurrent && setError(error),
    );
    return () => {
      isCurrent = false;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `next` is told apart by its position alone
  }, [client, error, next?.position]);
  const isAll = values.length === edits.length && !history.hasNextPage && !history.isPending;
  return {
    changes: changesOf(edits, values, isAll),
    isReading: history.isFetching || (next !== undefined && error === null),
    isAll,
    error: error ?? history.error,
    readMore: (): void => {
      setError(null);
      setWanted((count) => count + stepEdits);
      if (history.hasNextPage && edits.length <= wanted) void history.fetchNextPage();
    },
  };
}

function isReadable({ kind, isExcluded }: Edit): boolean {
  return kind === "change" && !isExcluded;
}

async function readField(client: QueryClient, place: DocumentPlace, path: Path, edit: Edit): Promise<Json | undefined> {
  const version = await client.query(versionQuery(place, edit.position));
  return valueAt(version.document.value as Json, path);
}

/** The edits after which the field had another value than before; the oldest known one only if nothing is before it. */
export function changesOf(
  edits: readonly Edit[],
  values: readonly (Json | undefined)[],
  isAll: boolean,
): FieldChange[] {
  return values.flatMap((value, index) => {
    const edit = edits[index];
    const isLast = index === values.length - 1;
    if (edit === undefined || (isLast && (!isAll || value === undefined))) return [];
    return isLast || !isEqual(value, values[index + 1]) ? [{ edit, value }] : [];
  });
}
