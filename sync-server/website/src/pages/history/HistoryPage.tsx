// The history of a document: every edit, the document as it was after it, what it changed, and a way back.

import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "react-router";

import {
  documentQuery,
  editsOf,
  historyQuery,
  versionQuery,
  type DocumentPlace,
  type Edit,
} from "../../api/document.ts";
import { spacesQuery } from "../../api/documents.ts";
import { numberOf } from "../../api/position.ts";
import { differences } from "../../document/difference.ts";
import type { Json } from "../../document/json.ts";
import { text } from "../../text.ts";
import { Choice } from "../../ui/Choice.tsx";
import { Button } from "../../ui/Button.tsx";
import { Badge, Empty, Id, Page, Panel, Skeleton, Time } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { usePlace } from "../document/useDocument.ts";
import { nameOf } from "../vault/names.ts";
import { Differences } from "./Differences.tsx";
import { Restore } from "./Restore.tsx";
import styles from "./history.module.css";

export default function HistoryPage() {
  const place = usePlace();
  const [query, setQuery] = useSearchParams();
  const space = useQuery(spacesQuery).data?.find(({ id }) => id === place.space);
  const history = useInfiniteQuery(historyQuery(place));
  const document = useQuery({ ...documentQuery(place), retry: false }).data?.document;
  const edits = editsOf(history.data?.pages.flatMap((page) => page.items) ?? []);
  const chosen = edits.find(({ position }) => position === query.get("at")) ?? edits[0];
  const name = document ? nameOf(document).name : text.document.title;
  return (
    <Page
      title={text.history.of(name)}
      about={text.history.about}
      crumbs={
        <>
          <Link to="/vault">{text.vault.title}</Link>
          <span aria-hidden="true">/</span>
          <Link to={`/vault/${place.space}/${place.document}`}>{name}</Link>
        </>
      }
    >
      {history.error && <ProblemNote error={history.error} onRetry={() => void history.refetch()} />}
      {history.isPending ? (
        <Skeleton />
      ) : (
        <div className={styles.columns}>
          <Panel title={text.history.edits}>
            <ol className={styles.edits}>
              {edits.map((edit) => (
                <li key={edit.batch}>
                  <button
                    type="button"
                    aria-current={edit === chosen ? "true" : undefined}
                    onClick={() => setQuery({ at: edit.position }, { replace: true })}
                  >
                    <span className={styles.when}>
                      <Time at={edit.time} />
                      <EditKind edit={edit} />
                    </span>
                    <span className={styles.who}>
                      {text.device} <Id of={edit.device} /> · {numberOf(edit.position)}
                    </span>
                  </button>
                </li>
              ))}
            </ol>
            {history.hasNextPage && (
              <div className={styles.more}>
                <Button size="small" disabled={history.isFetchingNextPage} onClick={() => void history.fetchNextPage()}>
                  {text.history.more}
                </Button>
              </div>
            )}
          </Panel>
          {chosen && (
            <Version
              place={place}
              edit={chosen}
              before={edits[edits.indexOf(chosen) + 1]}
              isNewest={chosen === edits[0]}
              mayRestore={
                document !== undefined && document.held === null && space !== undefined && space.role !== "viewer"
              }
              against={query.get("against") === "now" ? "now" : "before"}
              onAgainst={(against) => setQuery({ at: chosen.position, against }, { replace: true })}
            />
          )}
        </div>
      )}
    </Page>
  );
}

function EditKind({ edit }: { edit: Edit }) {
  if (edit.isExcluded) return <Badge tone="warn">{text.history.excluded}</Badge>;
  if (edit.kind === "change") return null;
  return <Badge tone={edit.kind === "restore" ? "accent" : "bad"}>{text.history.kinds[edit.kind]}</Badge>;
}

interface VersionProps {
  place: DocumentPlace;
  edit: Edit;
  before: Edit | undefined;
  isNewest: boolean;
  mayRestore: boolean;
  against: "before" | "now";
  onAgainst: (against: "before" | "now") => void;
}

/** The document as it was after an edit, beside what was before it, or what is there now. */
function Version({ place, edit, before, isNewest, mayRestore, against, onAgainst }: VersionProps) {
  const at = useQuery({ ...versionQuery(place, edit.position), placeholderData: keepPreviousData });
  const earlier = useQuery({
    ...versionQuery(place, before?.position ?? ""),
    enabled: before !== undefined && against === "before",
    placeholderData: keepPreviousData,
  });
  const now = useQuery({ ...documentQuery(place), enabled: against === "now" });
  const error = at.error ?? (against === "now" ? now.error : earlier.error);
  if (error !== null) return <ProblemNote error={error} />;
  const isFirst = against === "before" && before === undefined;
  const other = against === "now" ? now.data : earlier.data;
  if (at.data === undefined || (other === undefined && !isFirst)) return <Skeleton />;
  const value = at.data.document.value as Json;
  const otherValue = (other?.document.value ?? {}) as Json;
  const found = against === "now" ? differences(value, otherValue) : differences(otherValue, value);
  return (
    <div className={styles.version} aria-busy={at.isPlaceholderData}>
      <div className={styles.bar}>
        <Choice
          label={text.history.compare}
          options={[
            { value: "before", name: text.history.against.before },
            { value: "now", name: text.history.against.now },
          ]}
          chosen={against}
          onChoose={onAgainst}
        />
        {mayRestore && !isNewest && <Restore place={place} to={value} at={edit} />}
      </div>
      <Panel title={text.history.changed(found.length)}>
        {found.length === 0 ? (
          <div className={styles.none}>{text.history.same}</div>
        ) : (
          <Differences differences={found} />
        )}
      </Panel>
      <details className={styles.whole}>
        <summary>{text.history.whole}</summary>
        {isEmptyValue(value) ? (
          <Empty icon="braces" title={text.history.nothing}>
            {text.history.nothingAbout}
          </Empty>
        ) : (
          <pre tabIndex={0} aria-label={text.history.whole}>
            {JSON.stringify(value, null, 2)}
          </pre>
        )}
      </details>
    </div>
  );
}

function isEmptyValue(value: Json): boolean {
  return JSON.stringify(value) === "{}";
}
