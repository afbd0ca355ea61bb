// The client is made from docs/openapi.json: this fails when the one was changed without the other.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import openapiTS, { astToString } from "openapi-typescript";
import { expect, test } from "vitest";

test("schema.d.ts is what `npm run generate` makes of docs/openapi.json", async () => {
  const document = JSON.parse(readFileSync(resolve("../../docs/openapi.json"), "utf8")) as never;
  const made = astToString(await openapiTS(document, { alphabetize: true }));
  const committed = readFileSync(resolve("src/api/schema.d.ts"), "utf8");
  expect(committed.endsWith(made), "schema.d.ts is old; run `npm run generate`").toBe(true);
}, 30_000);
