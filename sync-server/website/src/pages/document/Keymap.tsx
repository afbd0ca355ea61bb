// A keymap as a table, in the order in which the editor tries the bindings.

import { useDeferredValue, useState } from "react";

import { inOneLine, isObject, valueAt, type Json } from "../../document/json.ts";
import { text } from "../../text.ts";
import { Empty, Search } from "../../ui/parts.tsx";
import type { OpenDocument } from "./useDocument.ts";
import styles from "./document.module.css";

export function Keymap({ open }: { open: OpenDocument }) {
  const [words, setWords] = useState("");
  const wanted = useDeferredValue(words.toLowerCase());
  const bindings = valueAt(open.value, ["bindings"]);
  const rows = (Array.isArray(bindings) ? bindings : []).filter(isObject);
  if (rows.length === 0) {
    return (
      <Empty icon="keys" title={text.keymap.empty} command={["vault import keymap keybindings.json", "vault sync"]}>
        {text.keymap.emptyAbout}
      </Empty>
    );
  }
  const shown = rows
    .map((binding, index) => ({ binding, place: index + 1 }))
    .filter(({ binding }) => JSON.stringify(binding).toLowerCase().includes(wanted));
  return (
    <>
      <div className={styles.bar}>
        <Search label={text.keymap.search} value={words} onChange={setWords} />
        <span className={styles.muted} role="status">
          {text.settings.count(shown.length, rows.length)}
        </span>
      </div>
      <div className={styles.table} tabIndex={0} role="region" aria-label={text.keymap.table}>
        <table>
          <thead>
            <tr>
              <th scope="col">{text.keymap.place}</th>
              <th scope="col">{text.keymap.keys}</th>
              <th scope="col">{text.keymap.command}</th>
              <th scope="col">{text.keymap.when}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ binding, place }) => (
              <tr key={place}>
                <td className={styles.muted}>{place}</td>
                <td>
                  <Keys keys={asText(binding["key"])} />
                </td>
                <td>
                  <BoundCommand command={asText(binding["command"])} args={binding["args"]} />
                </td>
                <td>{binding["when"] === undefined ? "" : <code>{asText(binding["when"])}</code>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** `ctrl+k ctrl+c`: keys that are pressed together, one after the other. */
function Keys({ keys }: { keys: string }) {
  return (
    <span className={styles.keys}>
      {keys.split(" ").map((chord, index) => (
        <span key={index} className={styles.keys}>
          {index > 0 && <i />}
          {chord.split("+").map((key) => (
            <kbd key={key}>{key}</kbd>
          ))}
        </span>
      ))}
    </span>
  );
}

function BoundCommand({ command, args }: { command: string; args: Json | undefined }) {
  const isRemoval = command.startsWith("-");
  return (
    <>
      <code className={isRemoval ? styles.removed : undefined} title={isRemoval ? text.keymap.removal : undefined}>
        {isRemoval ? command.slice(1) : command}
      </code>
      {args !== undefined && (
        <>
          {" "}
          <code className={styles.muted}>{inOneLine(args)}</code>
        </>
      )}
    </>
  );
}

function asText(value: Json | undefined): string {
  return typeof value === "string" ? value : inOneLine(value);
}
