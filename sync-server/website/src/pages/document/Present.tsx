// Who else is in the document at the moment.

import { useEffect, useState } from "react";

import { followPresence, type Other } from "../../api/presence.ts";
import type { DocumentPlace } from "../../api/document.ts";
import { text } from "../../text.ts";
import { Badge } from "../../ui/parts.tsx";
import styles from "./document.module.css";

export function Present({ place }: { place: DocumentPlace }) {
  const [others, setOthers] = useState<readonly Other[]>([]);
  useEffect(() => {
    // A window that nobody looks at is not there, and keeps no connection.
    let stop: (() => void) | null = null;
    const change = (): void => {
      stop?.();
      stop = document.visibilityState === "visible" ? followPresence(place, setOthers) : null;
    };
    change();
    document.addEventListener("visibilitychange", change);
    return () => {
      document.removeEventListener("visibilitychange", change);
      stop?.();
    };
  }, [place]);
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
