// The bindings of an open keymap, those of them that fit what is looked for, and every edit of them; with the focus
// where whoever works with keys goes on.

import { useLayoutEffect, useMemo, useRef, useState } from "react";

import { isEqual } from "../../document/json.ts";
import {
  bindingsOf,
  bindingsPath,
  isFound,
  placed,
  shadowed,
  textOf,
  turned,
  type Binding,
} from "../../document/keymap.ts";
import { text } from "../../text.ts";
import type { OpenDocument } from "./useDocument.ts";

export interface BindingActions {
  turn: (index: number, state: "on" | "off") => void;
  /** Past the binding that is shown above it, or below. */
  move: (index: number, direction: "up" | "down") => void;
  remove: (index: number) => void;
  /** Puts a binding at a place; it is taken from where it was, if it was anywhere. */
  save: (from: number | null, binding: Binding, place: number) => void;
}

export function useKeymap(open: OpenDocument, words: string) {
  const [removed, setRemoved] = useState<{ binding: Binding; place: number } | null>(null);
  const [said, setSaid] = useState("");
  const { list, addButton, focus } = useFocusAfterEdit();
  const bindings = useMemo(() => bindingsOf(open.value), [open.value]);
  const overlaps = useMemo(() => shadowed(bindings), [bindings]);
  /** Places of the bindings that are looked for. */
  const found = useMemo(
    () => bindings.flatMap((binding, index) => (isFound(binding, words) ? [index] : [])),
    [bindings, words],
  );

  const forget = (): void => {
    setRemoved(null);
    setSaid("");
  };
  const put = (next: Binding[]): void => {
    forget();
    if (!isEqual(next, bindings)) open.put(bindingsPath, next);
  };
  const actions: BindingActions = {
    turn: (index, state) => put(bindings.map((binding, at) => (at === index ? turned(binding, state) : binding))),
    move: (index, direction) => {
      const [binding, to] = [bindings[index], found[found.indexOf(index) + (direction === "up" ? -1 : 1)]];
      if (binding === undefined || to === undefined) return;
      put(placed(bindings, index, binding, to));
      setSaid(text.keymap.moved(textOf(binding, "key"), to + 1));
      focus(to, direction);
    },
    remove: (index) => {
      const binding = bindings[index];
      if (binding === undefined) return;
      put(bindings.filter((_, at) => at !== index));
      setRemoved({ binding, place: index });
      const [before, next] = [found[found.indexOf(index) - 1], found[found.indexOf(index) + 1]];
      focus(next === undefined ? (before ?? -1) : next - 1, "close");
    },
    save: (from, binding, place) => put(placed(bindings, from, binding, place)),
  };
  const putBack = (): void => {
    if (removed === null) return;
    actions.save(null, removed.binding, removed.place);
    focus(removed.place, "close");
  };
  return { bindings, overlaps, found, actions, removed, putBack, said, forget, list, addButton };
}

type Action = "up" | "down" | "close";

/** Goes with the binding that moved, and to the next one when one is removed; if there is none, to where another one is
 *  added. */
function useFocusAfterEdit() {
  const list = useRef<HTMLOListElement>(null);
  const addButton = useRef<HTMLButtonElement>(null);
  const wanted = useRef<{ index: number; action: Action } | null>(null);
  useLayoutEffect(() => {
    if (wanted.current === null) return;
    const { index, action } = wanted.current;
    wanted.current = null;
    const row = list.current?.querySelector(`[data-index="${String(index)}"]`);
    const button = (name: Action) => row?.querySelector<HTMLElement>(`[data-action=${name}]:not(:disabled)`);
    (button(action) ?? button(action === "up" ? "down" : "up") ?? addButton.current)?.focus();
  });
  const focus = (index: number, action: Action): void => {
    wanted.current = { index, action };
  };
  return { list, addButton, focus };
}
