import { expect, test } from "vitest";

import { renderMarkdown, slugOf } from "./markdown.ts";

test.each([
  ["HTML is shown as text", "<script>alert(1)</script>", /&lt;script&gt;/, /<script/],
  ["attributes too", '<img src=x onerror="alert(1)">', /&lt;img/, /<img/],
  ["links that run something lose their target", "[a](javascript:alert(1))", /a/, /href/],
  ["data addresses too", "[a](data:text/html;base64,PHNjcmlwdD4=)", /a/, /href/],
  [
    "a picture is its words: the page asks no other host",
    "![a cat](https://elsewhere.example/cat.png)",
    /a cat/,
    /<img|elsewhere/,
  ],
  ["columns are aligned without inline styles", "|a|\n|-:|\n|1|", /class="align-right"/, /style=/],
])("%s", (_, source, has, hasNot) => {
  const html = renderMarkdown(source);
  expect(html).toMatch(has);
  expect(html).not.toMatch(hasNot);
});

test("tasks, tables and strikethrough are as GitHub has them", () => {
  expect(renderMarkdown("- [x] done\n- [ ] open")).toMatch(/data-done="true"[^]*done[^]*data-done="false"/);
  expect(renderMarkdown("~~gone~~")).toContain("<s>gone</s>");
});

test("headings get the ids that links on GitHub use", () => {
  expect(slugOf("The `value` of x: a/b")).toBe("the-value-of-x-ab");
  expect(renderMarkdown("## Same\n\n## Same")).toMatch(/id="same"[^]*id="same-1"/);
});

test("links go where the page says", () => {
  const link = (href: string): string | null => (href === "a.md" ? "/docs/a" : null);
  expect(renderMarkdown("[a](a.md) [b](b.rs)", link)).toBe('<p><a href="/docs/a">a</a> b</p>\n');
});
