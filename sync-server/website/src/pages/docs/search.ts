// Search in the documentation: sections whose heading or text has all words, the best first.

import { slugOf } from "../../ui/markdown.ts";

export interface Section {
  doc: string;
  title: string;
  heading: string;
  slug: string;
  body: string;
}

export interface Hit {
  section: Section;
  excerpt: string;
}

const hitsMax = 20;
const excerptLetters = 160;

/** A document cut at its headings. */
export function sectionsOf(doc: string, source: string): Section[] {
  const title = /^# (.*)$/m.exec(source)?.[1] ?? doc;
  const sections: Section[] = [];
  let current: Section = { doc, title, heading: title, slug: "", body: "" };
  let isCode = false;
  for (const line of source.split("\n")) {
    if (line.startsWith("```")) isCode = !isCode;
    const heading = isCode ? undefined : /^#{2,4} (.*)$/.exec(line)?.[1];
    if (heading === undefined) {
      current.body += `${line}\n`;
    } else {
      sections.push(current);
      current = { doc, title, heading: plain(heading), slug: slugOf(plain(heading)), body: "" };
    }
  }
  return [...sections, current];
}

export function find(sections: readonly Section[], words: string): Hit[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return [];
  return sections
    .map((section) => ({ section, rank: rankOf(section, wanted) }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank)
    .slice(0, hitsMax)
    .map(({ section }) => ({ section, excerpt: excerptOf(section.body, wanted[0] ?? "") }));
}

/** 0: a word is missing. Words in headings count more, and so does the section that says a word often. */
function rankOf({ title, heading, body }: Section, words: readonly string[]): number {
  const texts = { title: title.toLowerCase(), heading: heading.toLowerCase(), body: body.toLowerCase() };
  let rank = 0;
  for (const word of words) {
    const inText = Math.min(texts.body.split(word).length - 1, 8);
    const found = (texts.heading.includes(word) ? 12 : 0) + (texts.title.includes(word) ? 6 : 0) + inText;
    if (found === 0) return 0;
    rank += found;
  }
  return rank;
}

function excerptOf(body: string, word: string): string {
  const text = plain(body).replaceAll(/\s+/g, " ").trim();
  const at = Math.max(0, text.toLowerCase().indexOf(word) - 50);
  const start = at === 0 ? 0 : text.indexOf(" ", at) + 1;
  const end = start + excerptLetters;
  return `${start > 0 ? "… " : ""}${text.slice(start, end)}${end < text.length ? " …" : ""}`;
}

/** Markdown without its signs. */
function plain(markdown: string): string {
  return markdown.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll(/[`*|#>]/g, "");
}
