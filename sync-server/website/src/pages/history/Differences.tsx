// What differs between two versions: one line for each field, texts line by line.

import { lineDifference, type FieldDifference } from "../../document/difference.ts";
import { inOneLine, type Json } from "../../document/json.ts";
import { text } from "../../text.ts";
import { Hidden } from "../../ui/parts.tsx";
import styles from "./history.module.css";

export function Differences({ differences }: { differences: readonly FieldDifference[] }) {
  return (
    <ul className={styles.differences}>
      {differences.map(({ path, before, after }) => (
        <li key={path.join("\0")}>
          <code className={styles.path}>{path.join(" / ") || text.history.document}</code>
          {isLong(before) || isLong(after) ? (
            <Lines before={asText(before)} after={asText(after)} />
          ) : (
            <span className={styles.values}>
              {before !== undefined && (
                <del>
                  <Hidden>{text.history.before} </Hidden>
                  <code>{inOneLine(before)}</code>
                </del>
              )}
              {after !== undefined && (
                <ins>
                  <Hidden>{text.history.after} </Hidden>
                  <code>{inOneLine(after)}</code>
                </ins>
              )}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Equal lines that are further than this from a change are left out. */
const contextLines = 3;

function Lines({ before, after }: { before: string; after: string }) {
  const lines = lineDifference(before, after);
  const isNear = (index: number): boolean =>
    lines.slice(Math.max(0, index - contextLines), index + contextLines + 1).some(({ kind }) => kind !== "same");
  const rows = lines.map((line, index) => ({ ...line, index, isShown: isNear(index) }));
  return (
    <pre className={styles.lines} tabIndex={0} aria-label={text.history.lines}>
      {rows.map(({ kind, text: line, index, isShown }) =>
        isShown ? (
          <span key={index} data-kind={kind}>
            <b aria-hidden="true">{{ same: " ", added: "+", removed: "−" }[kind]}</b>
            {line}
            {"\n"}
          </span>
        ) : (
          rows[index - 1]?.isShown !== false && (
            <span key={index} data-kind="gap">
              {"⋯\n"}
            </span>
          )
        ),
      )}
    </pre>
  );
}

function isLong(value: Json | undefined): boolean {
  return typeof value === "string" && value.includes("\n");
}

function asText(value: Json | undefined): string {
  return value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
