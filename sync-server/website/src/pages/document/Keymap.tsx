// A keymap as a list, in the order in which the editor tries the bindings, and every edit of it.

import { useDeferredValue, useLayoutEffect, useMemo, useRef, useState } from "react";

import { isEqual } from "../../document/json.ts";
import {
  bindingsOf,
  bindingsPath,
  isFound,
  placed,
  shadowed,
  textOf,
  turned,
  type Binding,
} from "../../document/keymap.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import { Empty, Search } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { BindingForm } from "./BindingForm.tsx";
import { BindingRow, type BindingActions } from "./BindingRow.tsx";
import styles from "./Keymap.module.css";
import type { OpenDocument } from "./useDocument.ts";

/** A keymap may have 10,000 bindings: so many more are shown at a time. */
const shownStep = 200;

/** A dialog is open: for a new binding, or for one as it was when it was opened. */
type Form = "new" | Binding;

export function Keymap({ open }: { open: OpenDocument }) {
  const [words, setWords] = useState("");
  const [shownMax, setShownMax] = useState(shownStep);
  const [form, setForm] = useState<Form | null>(null);
  const [removed, setRemoved] = useState<{ binding: Binding; place: number } | null>(null);
  const [said, setSaid] = useState("");
  const wanted = useDeferredValue(words.trim());
  const { list, addButton, focus } = useFocusAfterEdit();

  const bindings = useMemo(() => bindingsOf(open.value), [open.value]);
  const overlaps = useMemo(() => shadowed(bindings), [bindings]);
  const found = useMemo(
    () => bindings.flatMap((binding, index) => (isFound(binding, wanted) ? [index] : [])),
    [bindings, wanted],
  );
  const shown = found.slice(0, shownMax);
  const failed = open.pending.find((edit) => edit.state === "failed" && edit.path[0] === bindingsPath[0]);

  const forget = (): void => {
    setRemoved(null);
    setSaid("");
  };
  const search = (words: string): void => {
    forget();
    setWords(words);
  };
  const put = (next: Binding[]): void => {
    forget();
    if (!isEqual(next, bindings)) open.put(bindingsPath, next);
  };
  const putBack = (): void => {
    if (removed === null) return;
    put(placed(bindings, null, removed.binding, removed.place));
    focus(removed.place, "close");
  };
  const actions: BindingActions = {
    turn: (index, state) => put(bindings.map((binding, at) => (at === index ? turned(binding, state) : binding))),
    move: (index, direction) => {
      const [binding, to] = [bindings[index], found[found.indexOf(index) + (direction === "up" ? -1 : 1)]];
      if (binding === undefined || to === undefined) return;
      put(placed(bindings, index, binding, to));
      setSaid(text.keymap.moved(textOf(binding, "key"), to + 1));
      focus(to, direction);
    },
    change: (index) => setForm(bindings[index] ?? null),
    remove: (index) => {
      const binding = bindings[index];
      if (binding === undefined) return;
      put(bindings.filter((_, at) => at !== index));
      setRemoved({ binding, place: index });
      const at = found.indexOf(index);
      const next = found[at + 1];
      focus(next === undefined ? (found[at - 1] ?? -1) : next - 1, "close");
    },
  };
  return (
    <div className={styles.keymap}>
      {failed && (
        <ProblemNote error={failed.problem} onRetry={() => open.retry(failed)} onDismiss={() => open.discard(failed)} />
      )}
      <div className={styles.bar}>
        {bindings.length > 0 && (
          <div className={styles.find}>
            <Search label={text.keymap.search} value={words} onChange={search} />
          </div>
        )}
        <span className={styles.said} role="status">
          {removed === null ? (
            said || (bindings.length > 0 && text.keymap.count(found.length, bindings.length))
          ) : (
            <>
              {text.keymap.removed(textOf(removed.binding, "key"))}
              <Button size="small" onClick={putBack}>
                {text.keymap.undo}
              </Button>
            </>
          )}
        </span>
        {!open.isReadOnly && (
          <Button ref={addButton} icon="plus" onClick={() => setForm("new")}>
            {text.keymap.add}
          </Button>
        )}
      </div>
      {bindings.length === 0 ? (
        <Empty icon="keys" title={text.keymap.empty} command={["vault import keymap keybindings.json", "vault sync"]}>
          {text.keymap.emptyAbout}
        </Empty>
      ) : found.length === 0 ? (
        <Empty icon="search" title={text.keymap.nothing}>
          {text.keymap.nothingAbout}
        </Empty>
      ) : (
        <ol ref={list} className={styles.bindings} aria-label={text.keymap.list}>
          {shown.map((index) => (
            <BindingRow
              key={index}
              binding={bindings[index] ?? {}}
              index={index}
              shadowedBy={overlaps.get(index)}
              actions={open.isReadOnly ? null : actions}
              canMove={{ up: index !== found[0], down: index !== found.at(-1) }}
            />
          ))}
        </ol>
      )}
      {found.length > shown.length && (
        <Button onClick={() => setShownMax(shownMax + shownStep)}>
          {text.keymap.more(found.length - shown.length)}
        </Button>
      )}
      {form !== null && (
        <BindingForm
          bindings={bindings}
          from={placeOf(form, bindings)}
          onSave={(binding, place) => put(placed(bindings, placeOf(form, bindings), binding, place))}
          onClose={() => setForm(null)}
        />
      )}
    </div>
  );
}

/** Null also for a binding that was changed elsewhere since its dialog was opened: what is saved then stands beside it. */
function placeOf(form: Form, bindings: readonly Binding[]): number | null {
  const place = form === "new" ? -1 : bindings.findIndex((binding) => isEqual(binding, form));
  return place < 0 ? null : place;
}

type Action = "up" | "down" | "close";

/** Whoever works with keys goes with the binding that moved, and to the next one when one is removed; if there is none,
 *  to where another one is added. */
function useFocusAfterEdit() {
  const list = useRef<HTMLOListElement>(null);
  const addButton = useRef<HTMLButtonElement>(null);
  const wanted = useRef<{ index: number; action: Action } | null>(null);
  useLayoutEffect(() => {
    if (wanted.current === null) return;
    const { index, action } = wanted.current;
    wanted.current = null;
    const row = list.current?.querySelector(`[data-index="${String(index)}"]`);
    const button = (name: Action) => row?.querySelector<HTMLElement>(`[data-action=${name}]:not(:disabled)`);
    (button(action) ?? button(action === "up" ? "down" : "up") ?? addButton.current)?.focus();
  });
  const focus = (index: number, action: Action): void => {
    wanted.current = { index, action };
  };
  return { list, addButton, focus };
}
