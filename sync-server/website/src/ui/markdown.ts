// Markdown to HTML, without anything that others could do harm with: HTML in it is shown as text, pictures become
// links (the page asks no other host for anything), and only http, https and mailto are followed.

import MarkdownIt, { type Token } from "markdown-it";

import { text } from "../text.ts";

/** Where a link leads; null: it becomes plain text. */
export type Link = (href: string) => string | null;

export function renderMarkdown(source: string, link: Link = ownLink): string {
  const markdown = new MarkdownIt({ html: false, linkify: false, typographer: false });
  markdown.validateLink = () => true; // Decided by `link`.
  markdown.core.ruler.push("site", ({ tokens }) => {
    const slugs = new Set<string>();
    tokens.forEach((token, index) => {
      if (token.type === "heading_open") token.attrSet("id", unused(slugOf(tokens[index + 1]?.content ?? ""), slugs));
      alignByClass(token);
      if (token.type === "inline" && tokens[index - 2]?.type === "list_item_open") taskItem(token, tokens[index - 2]);
      if (token.children) token.children = rewritten(token.children, link);
    });
  });
  markdown.renderer.rules["table_open"] = () =>
    `<div class="table" tabindex="0" role="region" aria-label="${text.markdown.table}"><table>`;
  markdown.renderer.rules["table_close"] = () => "</table></div>";
  // What scrolls has to scroll with keys as well.
  for (const name of ["fence", "code_block"] as const) {
    const rule = markdown.renderer.rules[name];
    markdown.renderer.rules[name] = (...args) => (rule?.(...args) ?? "").replace("<pre>", '<pre tabindex="0">');
  }
  markdown.renderer.rules["task"] = ({ [0]: token }) => (token?.content === "x" ? box(true) : box(false));
  return markdown.render(source);
}

function ownLink(href: string): string | null {
  return /^(https?:|mailto:)/i.test(href) ? href : null;
}

/** As GitHub makes them, so that links into documents work on both. */
export function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-");
}

function unused(slug: string, taken: Set<string>): string {
  let name = slug;
  for (let count = 1; taken.has(name); count += 1) name = `${slug}-${count}`;
  taken.add(name);
  return name;
}

/** The content security policy refuses style attributes. */
function alignByClass(token: Token): void {
  const align = /text-align:(\w+)/.exec(String(token.attrGet("style") ?? ""))?.[1];
  if (align === undefined) return;
  token.attrs = (token.attrs ?? []).filter(([name]) => name !== "style");
  token.attrSet("class", `align-${align}`);
}

function taskItem(inline: Token, item: Token | undefined): void {
  const first = inline.children?.[0];
  const mark = first?.type === "text" ? /^\[([ xX])\] /.exec(first.content) : null;
  if (!mark || !first) return;
  first.content = first.content.slice(mark[0].length);
  const task = new (first.constructor as new (type: string, tag: string, nesting: 0) => Token)("task", "", 0);
  task.content = mark[1] === " " ? "" : "x";
  inline.children = [task, ...(inline.children ?? [])];
  item?.attrSet("class", "task");
}

function box(isDone: boolean): string {
  const label = isDone ? text.markdown.done : text.markdown.open;
  return `<span class="box" role="img" aria-label="${label}" data-done="${String(isDone)}"></span>`;
}

/** Links go where they may; the others lose their tags and keep their words. Pictures are named by their words. */
function rewritten(tokens: readonly Token[], link: Link): Token[] {
  const dropped: boolean[] = [];
  return tokens.flatMap((token) => {
    if (token.type === "link_open") {
      const target = link(String(token.attrGet("href") ?? ""));
      dropped.push(target === null);
      if (target === null) return [];
      token.attrSet("href", target);
      if (/^https?:/.test(target)) token.attrSet("rel", "noopener noreferrer");
      return [token];
    }
    if (token.type === "link_close") return dropped.pop() === true ? [] : [token];
    if (token.type === "image") {
      token.type = "text";
      token.tag = "";
    }
    return [token];
  });
}
