// A note: read as rich text, written as Markdown. What is typed is saved while one types, and what others type
// arrives in between.

import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { useSearchParams } from "react-router";

import { valueAt } from "../../document/json.ts";
import { movedCaret, rebased } from "../../document/typing.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import { Markdown } from "../../ui/Markdown.tsx";
import { Empty } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import ui from "../../ui/ui.module.css";
import type { OpenDocument } from "./useDocument.ts";
import styles from "./Note.module.css";

/** After so long without a keystroke what was typed is sent. */
const pauseMilliseconds = 500;

export default function Note({ open }: { open: OpenDocument }) {
  const [query, setQuery] = useSearchParams();
  const isWriting = query.has("edit") && !open.isReadOnly;
  const body = asText(valueAt(open.value, ["body"]));
  const failed = open.pending.find((edit) => edit.state === "failed");
  const toggle = (): void => setQuery(isWriting ? {} : { edit: "" }, { replace: true });
  return (
    <div className={styles.note}>
      {failed && (
        <ProblemNote error={failed.problem} onRetry={() => open.retry(failed)} onDismiss={() => open.discard(failed)} />
      )}
      {!open.isReadOnly && (
        <div className={styles.bar}>
          {isWriting && <Name open={open} />}
          <Button onClick={toggle}>{isWriting ? text.note.done : text.note.edit}</Button>
        </div>
      )}
      {isWriting ? (
        <Writing open={open} />
      ) : body.trim() === "" ? (
        <Empty
          icon="note"
          title={text.note.empty}
          command={[`vault edit ${JSON.stringify(open.version.document.title ?? "")}`]}
        >
          {text.note.emptyAbout}
        </Empty>
      ) : (
        <article className={styles.paper}>
          <Markdown source={body} />
        </article>
      )}
    </div>
  );
}

function Name({ open }: { open: OpenDocument }) {
  const name = asText(valueAt(open.value, ["name"]));
  const [entered, setEntered] = useState(name);
  return (
    <input
      key={name}
      className={ui.input}
      aria-label={text.newNote.name}
      value={entered}
      onChange={(event) => setEntered(event.target.value)}
      onBlur={() => entered !== name && entered.trim() !== "" && open.put(["name"], entered)}
      onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
    />
  );
}

/** What the person sees, and the text of the relay that it was last made equal to. */
interface Draft {
  shown: string;
  saved: string;
}

function Writing({ open }: { open: OpenDocument }) {
  const area = useRef<HTMLTextAreaElement>(null);
  const caret = useRef<number | null>(null);
  const saved = asText(valueAt(open.version.document.value as never, ["body"]));
  const [draft, setDraft] = useState<Draft>({ shown: saved, saved });
  const [sent, setSent] = useState<string | null>(null);
  const isBusy = open.pending.some((edit) => edit.path[0] === "body");

  // The relay has another text: what was sent is in it, merged with what others wrote; what was typed since is added.
  if (!isBusy && (sent !== null || saved !== draft.saved)) {
    const shown = rebased(sent ?? draft.saved, draft.shown, saved);
    caret.current = area.current ? movedCaret(draft.shown, shown, area.current.selectionStart) : null;
    setDraft({ shown, saved });
    setSent(null);
  }
  useLayoutEffect(() => {
    if (caret.current === null || area.current === null || document.activeElement !== area.current) return;
    area.current.setSelectionRange(caret.current, caret.current);
    caret.current = null;
  }, [draft]);

  const { put } = open;
  const isDirty = draft.shown !== draft.saved;
  useEffect(() => {
    if (!isDirty || isBusy) return;
    const timer = setTimeout(() => {
      setSent(draft.shown);
      put(["body"], draft.shown);
    }, pauseMilliseconds);
    return () => clearTimeout(timer);
  }, [draft.shown, isBusy, isDirty, put]);
  // Whoever leaves the page has meant what he typed.
  const last = useRef<() => void>(() => undefined);
  useEffect(() => {
    last.current = () => isDirty && !isBusy && put(["body"], draft.shown);
  });
  useEffect(() => () => last.current(), []);

  return (
    <div className={styles.split}>
      <textarea
        ref={area}
        className={styles.area}
        aria-label={text.note.body}
        value={draft.shown}
        spellCheck
        autoFocus
        onChange={(event) => setDraft({ ...draft, shown: event.target.value })}
      />
      <article className={styles.paper} aria-label={text.note.preview}>
        <Markdown source={draft.shown} />
      </article>
    </div>
  );
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
