// Adds a key to a layer, or begins a layer for a platform or machine.

import { useState } from "react";

import type { Json } from "../../document/json.ts";
import { layerMaps, schemaOf, type Layer } from "../../document/schema.ts";
import { text } from "../../text.ts";
import { FormDialog } from "../../ui/FormDialog.tsx";
import ui from "../../ui/ui.module.css";
import type { OpenDocument } from "./useDocument.ts";

interface Props {
  open: OpenDocument;
  layer: Layer;
  onLayer: (name: string) => void;
}

export function AddSetting({ open, layer, onLayer }: Props) {
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const [field, setField] = useState("");
  const [member, setMember] = useState("");
  const maps = layerMaps(schemaOf("settings") ?? {});
  const add = (close: () => void): void => {
    const into = field === "" ? layer.path : [field, member.trim()];
    open.put([...into, key.trim()], jsonOrText(value));
    if (field !== "") onLayer(into.join("/"));
    setKey("");
    setValue("");
    setField("");
    setMember("");
    close();
  };
  return (
    <FormDialog title={text.settings.add} submit={text.settings.add} onSubmit={add}>
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
    </FormDialog>
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
