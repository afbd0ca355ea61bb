// Puts the words of the document into index.html, so that they are in src/text.ts with all others.

import type { Plugin } from "vite";

import { text } from "../src/text.ts";

export function words(): Plugin {
  return { name: "words", transformIndexHtml: { order: "pre", handler: withWords } };
}

/** Fails for a name without words: nobody is to read the name. */
export function withWords(html: string): string {
  const words: Readonly<Record<string, string>> = text.html;
  return html.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const found = words[name];
    if (found === undefined) throw new Error(`index.html asks for the words ${name}, which src/text.ts has not`);
    return found.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
  });
}
