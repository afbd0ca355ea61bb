// Keys that work everywhere: Ctrl+K for the palette, and g with a letter for a page.

import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";

/** Where `g` and this letter lead. */
export const destinations: Readonly<Record<string, string>> = {
  v: "/vault",
  c: "/conflicts",
  q: "/quarantine",
  d: "/devices",
  o: "/operator",
  h: "/docs",
  m: "/marketplace",
};

/** Whoever waits longer after `g` has meant something else. */
const sequenceMilliseconds = 1_200;

export function useShortcuts(openPalette: () => void): void {
  const navigate = useNavigate();
  const open = useRef(openPalette);
  useEffect(() => {
    open.current = openPalette;
  }, [openPalette]);
  useEffect(() => {
    let begun = 0;
    const press = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        open.current();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === "/") {
        const search = document.querySelector<HTMLInputElement>("main input[type=search]");
        if (search === null) return;
        event.preventDefault();
        search.focus();
        return;
      }
      const target = event.timeStamp - begun < sequenceMilliseconds ? destinations[event.key] : undefined;
      begun = event.key === "g" ? event.timeStamp : 0;
      if (target !== undefined) void navigate(target);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [navigate]);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable ||
    ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) ||
    target.closest("dialog") !== null
  );
}
