// Why a document is in the state it is in: a sentence, and below it everything that is known, without what it says.

import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { explainQuery } from "../../api/operator.ts";
import { text } from "../../text.ts";
import { Page, Panel, Skeleton } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { usePlace } from "../document/useDocument.ts";
import styles from "./operator.module.css";

export default function Explain() {
  const place = usePlace();
  const { data, error, refetch } = useQuery(explainQuery(place));
  const summary = typeof data?.["summary"] === "string" ? data["summary"] : "";
  return (
    <Page
      title={text.operator.explained}
      about={<code>{place.document}</code>}
      crumbs={<Link to="/operator">{text.operator.title}</Link>}
    >
      {error && <ProblemNote error={error} onRetry={() => void refetch()} />}
      {data === undefined && !error && <Skeleton />}
      {data && (
        <>
          <p className={styles.summary}>{summary}</p>
          <Panel title={text.operator.all}>
            <pre className={styles.json} tabIndex={0} aria-label={text.operator.all}>
              {JSON.stringify(data, null, 2)}
            </pre>
          </Panel>
        </>
      )}
    </Page>
  );
}
