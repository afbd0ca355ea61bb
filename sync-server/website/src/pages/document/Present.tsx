// Who else is in the document at the moment; they see this page as well, as long as somebody looks at it.

import { useEffect, useState } from "react";

import { followPresence, type Other } from "../../api/presence.ts";
import type { DocumentPlace } from "../../api/document.ts";
import { useSession } from "../../app/session.ts";
import { text } from "../../text.ts";
import { Badge } from "../../ui/parts.tsx";
import styles from "./document.module.css";

/** Whoever leaves a document or window within this time only passes through, and is shown to nobody. */
const passingMilliseconds = 300;

export function Present({ place }: { place: DocumentPlace }) {
  const [others, setOthers] = useState<readonly Other[]>([]);
  const name = useSession().session?.account.name;
  useEffect(() => {
    if (name === undefined) return;
    // A window that nobody looks at is not there, and keeps no connection.
    let stop: (() => void) | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const change = (): void => {
      clearTimeout(timer);
      stop?.();
      stop = null;
      if (document.visibilityState !== "visible") return;
      timer = setTimeout(() => {
        stop = followPresence(place, { name }, setOthers);
      }, passingMilliseconds);
    };
    change();
    document.addEventListener("visibilitychange", change);
    return () => {
      document.removeEventListener("visibilitychange", change);
      clearTimeout(timer);
      stop?.();
    };
  }, [name, place]);
  if (others.length === 0) return null;
  return (
    <span className={styles.present}>
      {others.slice(0, 4).map((other) => (
        <Badge key={other.device} tone="accent">
          {nameIn(other.content) ?? text.present.device(other.device.slice(0, 6))}
        </Badge>
      ))}
      {others.length > 4 && <Badge>{text.present.more(others.length - 4)}</Badge>}
    </span>
  );
}

/** A name in the content is a claim of whoever shows it. */
function nameIn(content: unknown): string | null {
  return typeof content === "object" && content !== null && "name" in content && typeof content.name === "string"
    ? content.name.slice(0, 40)
    : null;
}
