// Settings: layers, search, and one line for each key, edited in place.

import { useDeferredValue, useState } from "react";
import { useSearchParams } from "react-router";

import { REMOVED, type Path } from "../../document/json.ts";
import { layersOf, schemaOf } from "../../document/schema.ts";
import { groupOf, matches, settingsOf, type Setting } from "../../document/settings.ts";
import { text } from "../../text.ts";
import { Choice } from "../../ui/Choice.tsx";
import { Empty, Search } from "../../ui/parts.tsx";
import { AddSetting } from "./AddSetting.tsx";
import { FieldHistory } from "./FieldHistory.tsx";
import { SettingRow } from "./SettingRow.tsx";
import type { OpenDocument } from "./useDocument.ts";
import styles from "./Settings.module.css";

export function Settings({ open }: { open: OpenDocument }) {
  const [query, setQuery] = useSearchParams();
  const [words, setWords] = useState("");
  const [historyOf, setHistoryOf] = useState<Path | null>(null);
  const wanted = useDeferredValue(words.trim());
  const schema = schemaOf("settings");
  if (schema === null) return null;
  const layers = layersOf(schema, open.value);
  const [base] = layers;
  if (base === undefined) return null;
  const name = query.get("layer") ?? base.name;
  const layer = layers.find((layer) => layer.name === name) ?? missingLayer(name, base.description);
  const isModifiedOnly = query.get("only") === "modified";
  const all = settingsOf(schema, open.value, layer, base);
  const settings = all.filter((setting) => matches(setting, wanted) && (!isModifiedOnly || isModified(setting)));
  const change = (next: Record<string, string | null>): void => {
    const params = new URLSearchParams(query);
    for (const [key, value] of Object.entries(next)) {
      if (value === null) params.delete(key);
      else params.set(key, value);
    }
    setQuery(params, { replace: true });
  };
  const shownLayers = layers.includes(layer) ? layers : [...layers, layer];
  return (
    <div className={styles.settings}>
      <div className={styles.bar}>
        <Choice
          label={text.settings.layers}
          options={shownLayers.map(({ name, description }) => ({ value: name, name, about: description }))}
          chosen={layer.name}
          onChoose={(name) => change({ layer: name === base.name ? null : name })}
          isCode
        />
        {!open.isReadOnly && <AddSetting open={open} layer={layer} onLayer={(name) => change({ layer: name })} />}
      </div>
      <div className={styles.bar}>
        <div className={styles.find}>
          <Search label={text.settings.search} value={words} onChange={setWords} />
        </div>
        <label className={styles.only}>
          <input
            type="checkbox"
            checked={isModifiedOnly}
            onChange={(event) => change({ only: event.target.checked ? "modified" : null })}
          />
          {layer.name === base.name ? text.settings.onlySet : text.settings.onlyOverridden}
        </label>
        <span className={styles.count} role="status">
          {text.settings.count(settings.length, all.length)}
        </span>
      </div>
      {settings.length === 0 ? (
        <NoSettings isFiltered={all.length > 0} layer={layer.name} />
      ) : (
        grouped(settings).map(([group, members]) => (
          <section key={group} className={styles.group}>
            <h2>{group}</h2>
            <ul>
              {members.map((setting) => (
                <SettingRow
                  key={setting.path.join("\0")}
                  open={open}
                  setting={setting}
                  onReset={() => open.put(setting.path, REMOVED)}
                  onHistory={() => setHistoryOf(setting.path)}
                />
              ))}
            </ul>
          </section>
        ))
      )}
      {historyOf && <FieldHistory place={open.place} path={historyOf} onClose={() => setHistoryOf(null)} />}
    </div>
  );
}

function NoSettings({ isFiltered, layer }: { isFiltered: boolean; layer: string }) {
  if (isFiltered) {
    return (
      <Empty icon="search" title={text.settings.nothing}>
        {text.settings.nothingAbout}
      </Empty>
    );
  }
  const option = layer === "base" ? "" : ` --layer ${layer}`;
  return (
    <Empty
      icon="sliders"
      title={text.settings.empty}
      command={[`vault set settings editor.tabSize 2${option}`, "vault sync"]}
    >
      {text.settings.emptyAbout}
    </Empty>
  );
}

function isModified({ state }: Setting): boolean {
  return state === "set" || state === "overrides";
}

function grouped(settings: readonly Setting[]): [string, Setting[]][] {
  const groups = new Map<string, Setting[]>();
  for (const setting of settings) groups.set(groupOf(setting), [...(groups.get(groupOf(setting)) ?? []), setting]);
  return [...groups];
}

/** A layer that has no key yet: it comes to be with its first one. */
function missingLayer(name: string, description: string) {
  return { name, description, path: name.split("/") };
}
