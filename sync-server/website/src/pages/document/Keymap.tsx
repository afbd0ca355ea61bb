// A keymap as a list. Of two bindings that fit, the later one runs.

import { useDeferredValue, useState } from "react";

import { isEqual } from "../../document/json.ts";
import { textOf, type Binding } from "../../document/keymap.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import { Empty, Search } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { BindingForm } from "./BindingForm.tsx";
import { BindingRow } from "./BindingRow.tsx";
import styles from "./Keymap.module.css";
import type { OpenDocument } from "./useDocument.ts";
import { useKeymap } from "./useKeymap.ts";

/** A keymap may have 10,000 bindings: so many more are shown at a time. */
const shownStep = 200;

/** A dialog is open: for a new binding, or for one as it was when it was opened. */
type Form = "new" | { binding: Binding; index: number };

export function Keymap({ open }: { open: OpenDocument }) {
  const [words, setWords] = useState("");
  const [shownMax, setShownMax] = useState(shownStep);
  const [form, setForm] = useState<Form | null>(null);
  const keymap = useKeymap(open, useDeferredValue(words.trim()));
  const { bindings, overlaps, found, actions } = keymap;
  const shown = found.slice(0, shownMax);
  const failed = open.pending.find((edit) => edit.state === "failed" && edit.path[0] === "bindings");
  const search = (words: string): void => {
    keymap.forget();
    setWords(words);
  };
  const change = (index: number): void => {
    const binding = bindings[index];
    if (binding !== undefined) setForm({ binding, index });
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
        <Said keymap={keymap} />
        {!open.isReadOnly && (
          <Button ref={keymap.addButton} icon="plus" onClick={() => setForm("new")}>
            {text.keymap.add}
          </Button>
        )}
      </div>
      {found.length === 0 ? (
        <NoBindings isFiltered={bindings.length > 0} />
      ) : (
        <ol ref={keymap.list} className={styles.bindings} aria-label={text.keymap.list}>
          {shown.map((index) => (
            <BindingRow
              key={index}
              binding={bindings[index] ?? {}}
              index={index}
              shadowedBy={overlaps.get(index)}
              actions={open.isReadOnly ? null : { ...actions, change }}
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
          onSave={(binding, place) => actions.save(placeOf(form, bindings), binding, place)}
          onClose={() => setForm(null)}
        />
      )}
    </div>
  );
}

/** What became of the last edit, else how many bindings there are. */
function Said({ keymap }: { keymap: ReturnType<typeof useKeymap> }) {
  const { bindings, found, removed, said, putBack } = keymap;
  const count = bindings.length === 0 ? "" : text.keymap.count(found.length, bindings.length);
  return (
    <span className={styles.said} role="status">
      {removed === null ? said || count : text.keymap.removed(textOf(removed.binding, "key"))}
      {removed !== null && (
        <Button size="small" onClick={putBack}>
          {text.keymap.undo}
        </Button>
      )}
    </span>
  );
}

function NoBindings({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <Empty icon="search" title={text.keymap.nothing}>
        {text.keymap.nothingAbout}
      </Empty>
    );
  }
  return (
    <Empty icon="keys" title={text.keymap.empty} command={["vault import keymap keybindings.json", "vault sync"]}>
      {text.keymap.emptyAbout}
    </Empty>
  );
}

/** Null also for a binding that was changed elsewhere since its dialog was opened: what is saved then stands beside it. */
function placeOf(form: Form, bindings: readonly Binding[]): number | null {
  if (form === "new") return null;
  if (isEqual(bindings[form.index], form.binding)) return form.index;
  const place = bindings.findIndex((binding) => isEqual(binding, form.binding));
  return place < 0 ? null : place;
}
