// A document of any type as a form, made from its schema; and as JSON where no schema says how.

import { useState } from "react";

import { isObject, REMOVED, valueAt, type Json, type Path } from "../../document/json.ts";
import { fieldAt, schemaOf, type Schema } from "../../document/schema.ts";
import { text } from "../../text.ts";
import { Badge, Panel } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { FieldActions } from "./FieldActions.tsx";
import { FieldHistory } from "./FieldHistory.tsx";
import type { OpenDocument } from "./useDocument.ts";
import { ValueInput } from "./ValueInput.tsx";
import styles from "./document.module.css";

export function Fields({ open }: { open: OpenDocument }) {
  const [historyOf, setHistoryOf] = useState<Path | null>(null);
  const schema = schemaOf(open.version.document.type);
  const known = Object.keys(schema?.properties ?? {});
  const others = isObject(open.value) ? Object.keys(open.value).filter((key) => !known.includes(key)) : [];
  const isReadOnly = open.isReadOnly || schema === null || schema["x-authority"] === true;
  return (
    <>
      {schema?.description !== undefined && <p className={styles.muted}>{schema.description}</p>}
      {known.length + others.length > 0 && (
        <div className={styles.fields}>
          {[...known, ...others].map((key) => (
            <Field
              key={key}
              open={{ ...open, isReadOnly }}
              path={[key]}
              schema={schema && fieldAt(schema, [key])}
              onHistory={() => setHistoryOf([key])}
            />
          ))}
        </div>
      )}
      <Panel title={text.field.json}>
        <pre className={styles.json} tabIndex={0} aria-label={text.field.json}>
          {JSON.stringify(open.value, null, 2)}
        </pre>
      </Panel>
      {historyOf && <FieldHistory place={open.place} path={historyOf} onClose={() => setHistoryOf(null)} />}
    </>
  );
}

interface FieldProps {
  open: OpenDocument;
  path: Path;
  schema: Schema | null;
  onHistory: () => void;
}

function Field({ open, path, schema, onHistory }: FieldProps) {
  const name = path.join("/");
  const value: Json | undefined = valueAt(open.value, path);
  const failed = open.pending.find((edit) => edit.state === "failed" && edit.path.join("/") === name);
  return (
    <div className={styles.field}>
      <div>
        <span className={styles.fieldName}>
          <code>{name}</code>
          {schema?.["x-merge"] === "manual" && <Badge tone="warn">{text.field.manual}</Badge>}
          {schema?.["x-public"] && <Badge>{text.field.isPublic}</Badge>}
        </span>
        <p>{schema?.description}</p>
      </div>
      <ValueInput
        label={name}
        schema={schema}
        value={value}
        fallback={schema?.default}
        isReadOnly={open.isReadOnly}
        onChange={(next) => open.put(path, next)}
      />
      <span>
        <FieldActions
          label={name}
          canReset={!open.isReadOnly && value !== undefined}
          onReset={() => open.put(path, REMOVED)}
          onHistory={onHistory}
        />
      </span>
      {failed && (
        <ProblemNote error={failed.problem} onRetry={() => open.retry(failed)} onDismiss={() => open.discard(failed)} />
      )}
    </div>
  );
}
