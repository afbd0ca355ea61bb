// Adds a key to a layer, or begins a layer for a platform or machine.

import { useRef, useState, type SyntheticEvent } from "react";

import type { Json } from "../../document/json.ts";
import { layerMaps, schemaOf, type Layer } from "../../document/schema.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import ui from "../../ui/ui.module.css";
import type { OpenDocument } from "./useDocument.ts";
import styles from "./document.module.css";

interface Props {
  open: OpenDocument;
  layer: Layer;
  onLayer: (name: string) => void;
}

export function AddSetting({ open, layer, onLayer }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const [field, setField] = useState("");
  const [member, setMember] = useState("");
  const maps = layerMaps(schemaOf("settings") ?? {});
  const add = (event: SyntheticEvent): void => {
    event.preventDefault();
    const into = field === "" ? layer.path : [field, member.trim()];
    open.put([...into, key.trim()], jsonOrText(value));
    if (field !== "") onLayer(into.join("/"));
    setKey("");
    setValue("");
    setField("");
    setMember("");
    dialog.current?.close();
  };
  return (
    <>
      <Button onClick={() => dialog.current?.showModal()}>{text.settings.add}</Button>
      <dialog ref={dialog} className={ui.dialog} aria-labelledby="add-setting">
        <form className={styles.dialog} onSubmit={add}>
          <h2 id="add-setting">{text.settings.add}</h2>
          <label>
            {text.settings.key}
            <input
              className={ui.input}
              value={key}
              onChange={(event) => setKey(event.target.value)}
              placeholder="editor.tabSize"
              spellCheck={false}
              pattern=".*\S.*"
              required
              autoFocus
            />
          </label>
          <label>
            {text.settings.value}
            <input
              className={ui.input}
              value={value}
              onChange={(event) => setValue(event.target.value)}
              spellCheck={false}
              required
            />
            <small>{text.settings.valueAbout}</small>
          </label>
          <label>
            {text.settings.layer}
            <select className={ui.input} value={field} onChange={(event) => setField(event.target.value)}>
              <option value="">{layer.name}</option>
              {maps.map((map) => (
                <option key={map.field} value={map.field}>
                  {text.settings.layerIn(map.field)}
                </option>
              ))}
            </select>
          </label>
          {field !== "" && (
            <label>
              {text.settings.layerName}
              <input
                className={ui.input}
                value={member}
                onChange={(event) => setMember(event.target.value)}
                pattern="[^/]*[^/\s][^/]*"
                spellCheck={false}
                required
              />
              <small>{maps.find((map) => map.field === field)?.description}</small>
            </label>
          )}
          <div className={styles.dialogActions}>
            <Button onClick={() => dialog.current?.close()}>{text.cancel}</Button>
            <Button type="submit" look="primary">
              {text.settings.add}
            </Button>
          </div>
        </form>
      </dialog>
    </>
  );
}

/** As `vault set` takes values: JSON, else a string. */
export function jsonOrText(entered: string): Json {
  try {
    return JSON.parse(entered) as Json;
  } catch {
    return entered;
  }
}
