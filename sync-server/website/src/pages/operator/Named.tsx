// What is named on the page of the relay, each with what is to be said of it: the first of many, or none.

import type { ReactNode } from "react";
import { Link } from "react-router";

import type { DocumentPlace } from "../../api/document.ts";
import { text } from "../../text.ts";
import { Id, Panel } from "../../ui/parts.tsx";
import styles from "./operator.module.css";

interface Props<Row> {
  words: { title: string; none: string };
  first: readonly Row[];
  /** How many there are. */
  count: number;
  name: (row: Row) => ReactNode;
  children: (row: Row) => ReactNode;
}

export function Named<Row>({ words, first, count, name, children }: Props<Row>) {
  return (
    <Panel title={words.title}>
      {first.length === 0 ? (
        <p className={styles.words}>{words.none}</p>
      ) : (
        <ul className={styles.named}>
          {first.map((row, index) => (
            <li key={index}>
              {name(row)}
              <span>{children(row)}</span>
            </li>
          ))}
          {count > first.length && <li>{text.operator.more(count - first.length)}</li>}
        </ul>
      )}
    </Panel>
  );
}

/** A document, with the way to why it is as it is. */
export function linked({ space, document }: DocumentPlace): ReactNode {
  return (
    <Link to={`/operator/${space}/${document}`}>
      <Id of={document} />
    </Link>
  );
}
