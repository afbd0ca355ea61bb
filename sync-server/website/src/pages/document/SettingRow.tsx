// One setting: its key, its value to edit, where the value comes from, and what became of an edit that failed.

import { inOneLine } from "../../document/json.ts";
import type { Setting } from "../../document/settings.ts";
import { text } from "../../text.ts";
import { Badge } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { FieldActions } from "./FieldActions.tsx";
import type { OpenDocument } from "./useDocument.ts";
import { ValueInput } from "./ValueInput.tsx";
import styles from "./Settings.module.css";

interface Props {
  open: OpenDocument;
  setting: Setting;
  onReset: () => void;
  onHistory: () => void;
}

export function SettingRow({ open, setting, onReset, onHistory }: Props) {
  const name = setting.path.join("\0");
  const edits = open.pending.filter((edit) => edit.path.join("\0") === name);
  const failed = edits.find((edit) => edit.state === "failed");
  const isOnItsWay = edits.some((edit) => edit.state !== "failed");
  const label = setting.language === null ? setting.key : `${setting.language} ${setting.key}`;
  return (
    <li className={styles.setting} data-key={label} data-state={setting.state}>
      <div className={styles.key}>
        <code>{setting.key}</code>
        {setting.schema?.description !== undefined && <p>{setting.schema.description}</p>}
        {setting.state === "overrides" && <p>{text.settings.baseSays(inOneLine(setting.fallback))}</p>}
      </div>
      <div className={styles.value}>
        <ValueInput
          label={label}
          schema={setting.schema}
          value={setting.value}
          fallback={setting.fallback}
          isReadOnly={open.isReadOnly}
          onChange={(value) => open.put(setting.path, value)}
        />
      </div>
      <div className={styles.state}>
        {isOnItsWay ? (
          <Badge>{text.save.onItsWay}</Badge>
        ) : (
          setting.state !== "set" && (
            <Badge tone={setting.state === "overrides" ? "accent" : "plain"}>
              {text.settings.states[setting.state]}
            </Badge>
          )
        )}
      </div>
      <div className={styles.actions}>
        <FieldActions
          label={label}
          canReset={!open.isReadOnly && setting.value !== undefined}
          onReset={onReset}
          onHistory={onHistory}
        />
      </div>
      {failed && (
        <div className={styles.failed}>
          <ProblemNote
            error={failed.problem}
            onRetry={() => open.retry(failed)}
            onDismiss={() => open.discard(failed)}
          />
        </div>
      )}
    </li>
  );
}
