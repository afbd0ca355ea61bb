import { expect, test } from "vitest";

import { firstLoad } from "./compressed.ts";

test("the first load is what the document asks for: scripts and what is preloaded, not what comes later", () => {
  const html = `<script src="/assets/theme-1.js"></script>
    <script type="module" crossorigin src="/assets/index-2.js"></script>
    <link rel="modulepreload" crossorigin href="/assets/react-3.js">
    <link rel="stylesheet" href="/assets/index-4.css">`;
  expect(firstLoad(html)).toEqual(["theme-1.js", "index-2.js", "react-3.js"]);
});
