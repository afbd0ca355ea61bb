// Who sees a document of a type with public fields: how its newest state was judged, what everybody is shown, and
// where.

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";

import { numberOf } from "../../api/position.ts";
import { publicationQuery, publicPath, type Publication as Judged } from "../../api/publication.ts";
import { publicFieldsOf, schemaOf } from "../../document/schema.ts";
import { text } from "../../text.ts";
import { Copy } from "../../ui/Command.tsx";
import { Badge, Hidden, Panel } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import ui from "../../ui/ui.module.css";
import styles from "./Publication.module.css";
import type { OpenDocument } from "./useDocument.ts";

export function Publication({ open }: { open: OpenDocument }) {
  const { document } = open.version;
  const schema = schemaOf(document.type);
  const fields = publicFieldsOf(schema);
  // The relay may know a type that this site does not.
  const isAsked = document.type !== null && (schema === null || fields.length > 0);
  const { data, error, refetch } = useQuery({
    ...publicationQuery(open.place, document.position),
    placeholderData: keepPreviousData,
    enabled: isAsked,
  });
  if (!isAsked || (schema === null && (data === undefined || data.state === "private"))) return null;
  return (
    <Panel title={text.publication.title} actions={data && <State judged={data} />}>
      <div className={styles.body} aria-busy={data === undefined && error === null}>
        {error && <ProblemNote error={error} onRetry={() => void refetch()} />}
        {data ? <Judgement open={open} judged={data} fields={fields} /> : error === null && <Reading />}
      </div>
    </Panel>
  );
}

function State({ judged }: { judged: Judged }) {
  const isStale = judged.state === "refused" && judged.published !== null;
  const words = text.publication.states;
  return (
    <Badge tone={judged.state === "refused" ? "warn" : judged.state === "public" ? "accent" : "plain"}>
      {judged.state === "public" ? words.all : isStale ? words.older : words.none}
    </Badge>
  );
}

interface Props {
  open: OpenDocument;
  judged: Judged;
  fields: readonly string[];
}

function Judgement({ open, judged, fields }: Props) {
  const { space, document } = open.place;
  const { published, refused, reason } = judged;
  const address = publicPath(open.place);
  return (
    <>
      <p>{published !== null ? text.publication.everybody : text.publication.readers}</p>
      {reason !== null && <p className={styles.because}>{text.publication.because(reason)}</p>}
      {refused !== null && <Refused refused={refused} isShown={published !== null} />}
      <dl className={styles.facts}>
        {fields.length > 0 && (
          <Fact name={text.publication.fields}>
            <code>{fields.join(", ")}</code>
          </Fact>
        )}
        {published !== null && (
          <>
            <Fact name={text.publication.version}>
              <Link to={`/vault/${space}/${document}/history?at=${encodeURIComponent(published.at)}`}>
                {text.publication.position(numberOf(published.at))}
              </Link>
            </Fact>
            <Fact name={text.publication.address}>
              <a href={address}>
                <code>{address}</code>
              </a>
              <Copy what={location.origin + address} label={text.publication.copy} />
            </Fact>
          </>
        )}
      </dl>
    </>
  );
}

function Refused({ refused, isShown }: { refused: NonNullable<Judged["refused"]>; isShown: boolean }) {
  return (
    <div className={styles.refused}>
      <p className={styles.because}>{isShown ? text.publication.refusedNewest : text.publication.refused}</p>
      <ul className={ui.violations}>
        {refused.violations.map((fault) => (
          <li key={fault.path + fault.code}>
            {fault.detail} <code className={styles.code}>{fault.code}</code>
          </li>
        ))}
      </ul>
      {refused.omitted > 0 && <p>{text.publication.omitted(refused.omitted)}</p>}
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** As high as what will be there for most documents. */
function Reading() {
  return (
    <>
      <Hidden>{text.loading}</Hidden>
      {["w3", "w1", "w4"].map((width) => (
        <span key={width} className={`${ui.skeleton ?? ""} ${ui[width] ?? ""}`} />
      ))}
    </>
  );
}
