// One binding in a dialog: a new one, or one that is there.

import { useEffect, useRef, useState } from "react";

import type { Json } from "../../document/json.ts";
import { commandOf, placed, shadowed, textOf, withEntered, type Binding } from "../../document/keymap.ts";
import { text } from "../../text.ts";
import { OpenForm } from "../../ui/FormDialog.tsx";
import ui from "../../ui/ui.module.css";
import { KeysInput } from "./Keys.tsx";
import styles from "./Keymap.module.css";

const codeInput = `${ui.input ?? ""} ${styles.code ?? ""}`;

interface Props {
  bindings: readonly Binding[];
  /** Where the binding is; null: it is new. */
  from: number | null;
  onSave: (binding: Binding, place: number) => void;
  onClose: () => void;
}

export function BindingForm({ bindings, from, onSave, onClose }: Props) {
  const binding = from === null ? null : (bindings[from] ?? null);
  const last = bindings.length - (binding === null ? 0 : 1);
  const [key, setKey] = useState(binding === null ? "" : textOf(binding, "key"));
  const [command, setCommand] = useState(binding === null ? "" : commandOf(binding));
  const [when, setWhen] = useState(binding === null ? "" : textOf(binding, "when"));
  const [args, setArgs] = useState(binding?.["args"] === undefined ? "" : JSON.stringify(binding["args"]));
  const [order, setOrder] = useState(String((from ?? last) + 1));
  const argsInput = useRef<HTMLTextAreaElement>(null);
  const parsed = jsonIn(args);
  useEffect(() => {
    argsInput.current?.setCustomValidity(parsed === "wrong" ? text.keymap.argsWrong : "");
  }, [parsed]);

  const place = Math.min(Math.max(Number(order) - 1, 0), last);
  const next = withEntered(binding, { key, command, when, args: parsed === "wrong" ? undefined : parsed?.value });
  const list = placed(bindings, binding === null ? null : from, next, place);
  return (
    <OpenForm
      title={binding === null ? text.keymap.add : text.keymap.change}
      submit={binding === null ? text.keymap.add : text.keymap.save}
      onSubmit={(close) => {
        close();
        onSave(next, place);
      }}
      onClose={onClose}
    >
      <KeysInput value={key} onChange={setKey} />
      <label>
        {text.keymap.command}
        <input
          className={codeInput}
          value={command}
          onChange={(event) => setCommand(event.target.value)}
          placeholder="editor.action.addCommentLine"
          pattern=".*[^\s\-].*"
          spellCheck={false}
          autoCapitalize="none"
          required
        />
      </label>
      <label>
        {text.keymap.when}
        <input
          className={codeInput}
          value={when}
          onChange={(event) => setWhen(event.target.value)}
          placeholder="editorTextFocus && !editorReadonly"
          spellCheck={false}
          autoCapitalize="none"
        />
        <small>{text.keymap.whenAbout}</small>
      </label>
      <div className={styles.pair}>
        <label>
          {text.keymap.args}
          <textarea
            ref={argsInput}
            className={codeInput}
            value={args}
            onChange={(event) => setArgs(event.target.value)}
            rows={1}
            spellCheck={false}
          />
          <small>{text.keymap.argsAbout}</small>
        </label>
        <label>
          {text.keymap.place}
          <input
            className={ui.input}
            type="number"
            min={1}
            max={last + 1}
            value={order}
            onChange={(event) => setOrder(event.target.value)}
            required
          />
          <small>{text.keymap.placeAbout(last + 1)}</small>
        </label>
      </div>
      <p className={styles.overlap} role="status">
        {overlaps(list, place)}
      </p>
    </OpenForm>
  );
}

/** What the binding takes from others, or others from it. */
function overlaps(bindings: readonly Binding[], place: number): string {
  const found = shadowed(bindings);
  const later = found.get(place);
  if (later !== undefined) return text.keymap.neverReached(later + 1);
  const earlier = [...found].filter(([, last]) => last === place).map(([index]) => index + 1);
  return earlier.length === 0 ? "" : text.keymap.takesFrom(earlier.sort((one, other) => one - other));
}

/** Undefined: nothing was entered. */
function jsonIn(entered: string): { value: Json } | "wrong" | undefined {
  if (entered.trim() === "") return undefined;
  try {
    return { value: JSON.parse(entered) as Json };
  } catch {
    return "wrong";
  }
}
