// Commands that can be copied, one on each line.

import { useState } from "react";

import { text } from "../text.ts";
import { Button } from "./Button.tsx";
import styles from "./ui.module.css";

const copiedMilliseconds = 2_000;

export function Command({ lines }: { lines: readonly string[] }) {
  return (
    <div className={styles.command}>
      {/* Long commands scroll, which has to work with keys as well. */}
      <pre tabIndex={0} aria-label={text.command.label}>
        {lines.map((line, index) => (
          <div key={index}>
            <span className={styles.prompt} aria-hidden="true">
              {line.startsWith("#") ? "" : "$ "}
            </span>
            {line}
          </div>
        ))}
      </pre>
      <Copy what={lines.join("\n")} />
    </div>
  );
}

export function Copy({ what, label = text.command.copy }: { what: string; label?: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(what);
    setCopied(true);
    setTimeout(() => setCopied(false), copiedMilliseconds);
  };
  return (
    <>
      <Button
        look="quiet"
        size="small"
        icon={isCopied ? "check" : "copy"}
        aria-label={label}
        title={label}
        onClick={() => void copy().catch(() => undefined)}
      />
      <span className={styles.hidden} role="status">
        {isCopied ? text.command.copied : ""}
      </span>
    </>
  );
}
