// The API reference, made from docs/openapi.json: every path with its parameters, body and answers.

import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, useLocation } from "react-router";

import { text } from "../../text.ts";
import { Badge, Page, Search, Skeleton } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { operationsOf, type Operation } from "./openapi.ts";
import styles from "./docs.module.css";

export default function ApiReference() {
  const { hash } = useLocation();
  const [words, setWords] = useState("");
  const described = useQuery({
    queryKey: ["public", "openapi"],
    queryFn: async () => operationsOf((await import("../../../../../docs/openapi.json")).default as never),
    staleTime: Infinity,
  });
  const { data } = described;
  useEffect(() => {
    if (data && hash !== "") document.getElementById(hash.slice(1))?.scrollIntoView();
  }, [data, hash]);
  const wanted = words.toLowerCase();
  const shown = data?.filter((operation) =>
    `${operation.method} ${operation.path} ${operation.summary}`.toLowerCase().includes(wanted),
  );
  return (
    <Page
      title={text.docs.pages["api-reference"]}
      about={
        <>
          {text.docs.apiAbout} <Link to="/docs/api">{text.docs.apiWords}</Link>
        </>
      }
    >
      <div className={styles.search}>
        <Search label={text.docs.searchPaths} value={words} onChange={setWords} />
      </div>
      {described.error && <ProblemNote error={described.error} onRetry={() => void described.refetch()} />}
      {shown === undefined ? (
        <Skeleton rows={10} />
      ) : (
        shown.map((operation) => <Described key={operation.id} operation={operation} />)
      )}
    </Page>
  );
}

function Described({ operation }: { operation: Operation }) {
  return (
    <details className={styles.operation} id={operation.id} open={location.hash === `#${operation.id}`}>
      <summary>
        <span className={styles.method} data-method={operation.method}>
          {operation.method}
        </span>
        <code>{operation.path}</code>
        <span className={styles.summary}>{operation.summary}</span>
      </summary>
      <div className={styles.detail}>
        <p>
          <Badge>{operation.isPublic ? text.docs.noToken : text.docs.token}</Badge>
        </p>
        {operation.parameters.length > 0 && (
          <section>
            <h3>{text.docs.parameters}</h3>
            <dl>
              {operation.parameters.map((parameter) => (
                <div key={parameter.in + parameter.name}>
                  <dt>
                    <code>{parameter.name}</code>{" "}
                    <small>
                      {parameter.in}
                      {parameter.isRequired && `, ${text.docs.required}`}
                    </small>
                  </dt>
                  <dd>{parameter.description}</dd>
                </div>
              ))}
            </dl>
          </section>
        )}
        {operation.bodies.length > 0 && (
          <section>
            <h3>{text.docs.body}</h3>
            {operation.bodies.map((body) => (
              <Shape key={body.type} title={body.type} shape={body.shape} />
            ))}
          </section>
        )}
        <section>
          <h3>{text.docs.answers}</h3>
          <dl>
            {operation.answers.map((answer) => (
              <div key={answer.status}>
                <dt>
                  <code>{answer.status}</code>
                </dt>
                <dd>
                  {answer.description.replaceAll("`", "")}
                  {answer.shape !== null && <Shape title={answer.type} shape={answer.shape} />}
                </dd>
              </div>
            ))}
          </dl>
        </section>
      </div>
    </details>
  );
}

function Shape({ title, shape }: { title: string; shape: string }) {
  return (
    <pre tabIndex={0} aria-label={title} className={styles.shape}>
      {shape}
    </pre>
  );
}
