// The palette: every page, every document and what notes say, by a few letters.

import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useDeferredValue, useEffect, useId, useRef, useState } from "react";
import { useNavigate } from "react-router";

import { useDocuments } from "../api/documents.ts";
import { read, relay } from "../api/client.ts";
import { docPages, docPath } from "../pages/docs/pages.ts";
import { nameOf } from "../pages/vault/names.ts";
import { text } from "../text.ts";
import { Icon, type IconName } from "../ui/Icon.tsx";
import ui from "../ui/ui.module.css";
import styles from "./Palette.module.css";
import { leave, useSession } from "./session.ts";
import { destinations } from "./shortcuts.ts";
import { chooseTheme, isDark } from "./theme.ts";

interface Entry {
  id: string;
  icon: IconName;
  label: string;
  about: string;
  keys?: string;
  run: () => void;
}

const shownMax = 12;

export function Palette({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useId();
  const [words, setWords] = useState("");
  const [chosen, setChosen] = useState(0);
  const entries = useEntries(useDeferredValue(words));
  const current = Math.min(chosen, entries.length - 1);
  useEffect(() => dialog.current?.showModal(), []);

  const run = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    dialog.current?.close();
    entry.run();
  };
  const press = (event: React.KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setChosen((current + step + entries.length) % Math.max(entries.length, 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(entries[current]);
    }
  };
  return (
    <dialog
      ref={dialog}
      className={`${ui.dialog ?? ""} ${styles.palette ?? ""}`}
      aria-label={text.palette.title}
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && dialog.current.close()}
    >
      <div className={styles.field}>
        <Icon name="search" />
        <input
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls={list}
          aria-activedescendant={entries[current] ? `${list}-${current}` : undefined}
          aria-label={text.palette.title}
          placeholder={text.palette.placeholder}
          value={words}
          onKeyDown={press}
          onChange={(event) => {
            setWords(event.target.value);
            setChosen(0);
          }}
        />
      </div>
      <ul id={list} role="listbox" aria-label={text.palette.found} className={styles.list}>
        {entries.map((entry, index) => (
          <li
            key={entry.id}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === current}
            onClick={() => run(entry)}
            onMouseMove={() => setChosen(index)}
          >
            <Icon name={entry.icon} size={17} />
            <span>{entry.label}</span> <small>{entry.about}</small> {entry.keys && <kbd>{entry.keys}</kbd>}
          </li>
        ))}
      </ul>
      {entries.length === 0 && <p className={styles.none}>{text.palette.nothing(words)}</p>}
    </dialog>
  );
}

function useEntries(words: string): Entry[] {
  const actions = useActions();
  const documents = useDocumentEntries();
  const notes = useNoteEntries(words);
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ label, about }: Entry): boolean =>
    wanted.every((word) => `${label} ${about}`.toLowerCase().includes(word));
  const fitting = [...actions.filter(fits), ...documents.filter(fits)];
  const known = new Set(fitting.map((entry) => entry.id));
  return [...fitting.slice(0, shownMax), ...notes.filter((note) => !known.has(note.id))].slice(0, shownMax);
}

function useActions(): Entry[] {
  const navigate = useNavigate();
  const client = useQueryClient();
  const { session } = useSession();
  const go = (path: string) => () => void navigate(path);
  const keysOf = (path: string): string => {
    const key = Object.entries(destinations).find(([, to]) => to === path)?.[0];
    return key === undefined ? "" : `g ${key}`;
  };
  const page = (path: string, icon: IconName, label: string): Entry => {
    return { id: path, icon, label, about: text.palette.page, keys: keysOf(path), run: go(path) };
  };
  const own = [
    page("/vault", "grid", text.nav.documents),
    page("/conflicts", "split", text.nav.conflicts),
    page("/quarantine", "shield", text.nav.quarantine),
    page("/devices", "device", text.nav.devices),
  ];
  const theme = (): void => chooseTheme(isDark() ? "light" : "dark");
  return [
    ...(session ? own : [page("/sign-in", "person", text.nav.signIn)]),
    ...(session?.account.role === "operator" ? [page("/operator", "gauge", text.nav.operator)] : []),
    page("/docs", "book", text.nav.docs),
    page("/marketplace", "braces", text.nav.marketplace),
    { id: "theme", icon: "moon", label: text.theme.change, about: text.palette.action, run: theme },
    ...(session
      ? [
          {
            id: "leave",
            icon: "person" as const,
            label: text.nav.signOut,
            about: text.palette.action,
            run: () => void leave(client),
          },
        ]
      : []),
    ...docPages.flatMap((group) =>
      group.pages.map((name): Entry => ({
        id: name,
        icon: "book",
        label: text.docs.pages[name],
        about: text.nav.docs,
        run: go(docPath(name)),
      })),
    ),
  ];
}

function useDocumentEntries(): Entry[] {
  const navigate = useNavigate();
  const { session } = useSession();
  const { spaces } = useDocuments(Boolean(session));
  return spaces.flatMap(({ space, documents }) =>
    documents.map((item): Entry => {
      const path = `/vault/${item.space}/${item.id}`;
      const { name, icon } = nameOf(item);
      return { id: path, icon, label: name, about: space.name, run: () => void navigate(path) };
    }),
  );
}

/** Notes that have the words in their text. */
function useNoteEntries(words: string): Entry[] {
  const navigate = useNavigate();
  const { session } = useSession();
  const isSearch = Boolean(session) && /[\p{L}\p{N}]{2}/u.test(words);
  const { data } = useQuery({
    queryKey: ["search", words],
    queryFn: () =>
      read(
        relay.GET("/api/v1/find", { params: { query: { type: "note", words: `${words.trim()}*`, limit: shownMax } } }),
      ),
    enabled: isSearch,
    placeholderData: keepPreviousData,
    staleTime: 10_000,
    retry: false,
  });
  if (!isSearch || data === undefined) return [];
  return data.found.map((found): Entry => {
    const path = `/vault/${found.space}/${found.id}`;
    const about = found.snippet?.text.replaceAll(/\s+/g, " ").slice(0, 80) ?? "";
    return { id: path, icon: "note", label: found.title ?? text.vault.untitled, about, run: () => void navigate(path) };
  });
}
