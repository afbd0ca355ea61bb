// Whether what was edited on this page is with the relay.

import { text } from "../../text.ts";
import { Dot } from "../../ui/parts.tsx";
import type { OpenDocument } from "./useDocument.ts";
import styles from "./document.module.css";

export function SaveState({ open }: { open: OpenDocument }) {
  const { pending } = open;
  const count = (state: string): number => pending.filter((edit) => edit.state === state).length;
  const [failed, waiting, sending] = [count("failed"), count("waiting"), count("sending")];
  const tone = failed > 0 ? "bad" : waiting > 0 ? "warn" : sending > 0 ? "none" : "good";
  const words =
    failed > 0
      ? text.save.failed(failed)
      : waiting > 0
        ? text.save.waiting(waiting)
        : sending > 0
          ? text.save.sending
          : text.save.saved;
  const readOnly = open.version.document.held === null ? text.save.readOnly : text.held.title;
  return (
    <span className={styles.save} role="status">
      <Dot state={open.isReadOnly ? "none" : tone} /> {open.isReadOnly ? readOnly : words}
    </span>
  );
}
