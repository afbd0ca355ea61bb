import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { expect, test } from "vitest";

import { text } from "../src/text.ts";
import { withWords } from "./words.ts";

test("index.html has the words of text.ts, and no others", () => {
  const source = readFileSync(resolve("index.html"), "utf8");
  const html = withWords(source);
  expect(html).toContain(`<title>${text.html.title}</title>`);
  expect(html).not.toContain("{{");
  expect(source.replaceAll(/<[^>]*>|\{\{\w+\}\}/g, "").trim()).toBe("");
  expect(() => withWords("{{missing}}")).toThrow("missing");
});
