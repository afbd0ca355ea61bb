// The control for one value, chosen by its schema. What is entered is handed on when the person is done with it: at
// Enter, or when the focus leaves. Escape takes it back.

import { useState, type KeyboardEvent } from "react";

import { inOneLine, isEqual, type Json } from "../../document/json.ts";
import { inputFor, type Schema } from "../../document/schema.ts";
import { text } from "../../text.ts";
import ui from "../../ui/ui.module.css";
import styles from "./document.module.css";

interface Props {
  label: string;
  schema: Schema | null;
  value: Json | undefined;
  /** Shown where there is no value. */
  fallback?: Json | undefined;
  isReadOnly: boolean;
  onChange: (value: Json) => void;
}

export function ValueInput(props: Props) {
  const shown = props.value ?? props.fallback;
  const input = inputFor(props.schema, shown);
  if (input === "switch") return <Switch {...props} shown={shown} />;
  if (input === "choice") return <Choice {...props} shown={shown} />;
  const written =
    input === "json" ? prettyJson(shown) : typeof shown === "string" || typeof shown === "number" ? String(shown) : "";
  // A value that arrives from elsewhere begins the entry anew.
  return <Entry key={written} {...props} written={written} input={input} />;
}

function Switch({ label, shown, isReadOnly, onChange }: Props & { shown: Json | undefined }) {
  return (
    <input
      type="checkbox"
      role="switch"
      className={ui.switch}
      aria-label={label}
      checked={shown === true}
      disabled={isReadOnly}
      onChange={(event) => onChange(event.target.checked)}
    />
  );
}

function Choice({ label, schema, shown, isReadOnly, onChange }: Props & { shown: Json | undefined }) {
  const options = schema?.enum ?? [];
  return (
    <select
      className={ui.input}
      aria-label={label}
      value={options.findIndex((option) => isEqual(option, shown ?? null))}
      disabled={isReadOnly}
      onChange={(event) => onChange(options[Number(event.target.value)] ?? null)}
    >
      <option value={-1} hidden>
        {text.field.none}
      </option>
      {options.map((option, index) => (
        <option key={index} value={index}>
          {option === null ? text.field.none : typeof option === "string" ? option : inOneLine(option)}
        </option>
      ))}
    </select>
  );
}

type EntryProps = Props & { written: string; input: "number" | "line" | "text" | "json" };

function Entry({ label, isReadOnly, onChange, written, input }: EntryProps) {
  const [entered, setEntered] = useState(written);
  const value = parsed(entered, input);
  const isWrong = entered !== written && value === undefined;
  const commit = (): void => {
    if (entered !== written && value !== undefined) onChange(value);
  };
  const isLong = input === "text" || (input === "json" && written.includes("\n"));
  const press = (event: KeyboardEvent): void => {
    if (event.key === "Escape") setEntered(written);
    if (event.key === "Enter" && (!isLong || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      commit();
    }
  };
  const common = {
    "aria-label": label,
    "aria-invalid": isWrong,
    className: ui.input,
    value: entered,
    readOnly: isReadOnly,
    spellCheck: input === "text",
    onBlur: commit,
    onKeyDown: press,
    onChange: (event: { target: { value: string } }) => setEntered(event.target.value),
  };
  return (
    <span className={styles.entry}>
      {isLong ? (
        <textarea {...common} rows={Math.min(14, written.split("\n").length + 1)} />
      ) : (
        <input {...common} inputMode={input === "number" ? "decimal" : "text"} />
      )}
      {isWrong && (
        <span className={styles.wrong} role="alert">
          {input === "number" ? text.field.notANumber : text.field.notJson}
        </span>
      )}
    </span>
  );
}

function prettyJson(value: Json | undefined): string {
  if (value === undefined) return "";
  const line = JSON.stringify(value);
  return line.length <= 48 ? line.replaceAll(/,(?=["\d[{tfn])/g, ", ") : JSON.stringify(value, null, 2);
}

/** Undefined: not a value of this kind. */
function parsed(entered: string, input: EntryProps["input"]): Json | undefined {
  if (input === "line" || input === "text") return entered;
  if (input === "number")
    return entered.trim() !== "" && Number.isFinite(Number(entered)) ? Number(entered) : undefined;
  try {
    return JSON.parse(entered) as Json;
  } catch {
    return undefined;
  }
}
