import { expect, test } from "vitest";

import { fieldAt, inputFor, layersOf, schemaOf, type Layer, type Schema } from "./schema.ts";
import { matches, settingsOf } from "./settings.ts";

const value = {
  base: { "editor.tabSize": 4, "[rust]": { "editor.tabSize": 4 }, "files.exclude": { a: true }, "git.autofetch": true },
  platforms: { linux: { "editor.tabSize": 2, "git.autofetch": true, "editor.font": "Mono" } },
};
const settings = schemaOf("settings") ?? {};
const layers = layersOf(settings, value);

test("layers are those of the schema, with the members that are there", () => {
  expect(layers.map(({ name, path }) => [name, path])).toEqual([
    ["base", ["base"]],
    ["platforms/linux", ["platforms", "linux"]],
  ]);
});

test("each key of a layer says where its value comes from", () => {
  const [base, linux] = layers as [Layer, Layer];
  expect(settingsOf(settings, value, base, base).map(({ language, key, state }) => [language, key, state])).toEqual([
    [null, "editor.tabSize", "set"],
    [null, "files.exclude", "set"],
    [null, "git.autofetch", "set"],
    ["[rust]", "editor.tabSize", "set"],
  ]);
  expect(settingsOf(settings, value, linux, base).map(({ key, state, value }) => [key, state, value])).toEqual([
    ["editor.font", "set", "Mono"],
    ["editor.tabSize", "overrides", 2],
    ["files.exclude", "inherited", undefined],
    ["git.autofetch", "set", true],
    ["editor.tabSize", "inherited", undefined],
  ]);
});

test("keys that a schema declares are there with their default before they are set", () => {
  const schema: Schema = { properties: { base: { properties: { size: { type: "integer", default: 3 } } } } };
  const base: Layer = { path: ["base"], name: "base", description: "" };
  expect(settingsOf(schema, {}, base, base)).toMatchObject([
    { key: "size", state: "default", fallback: 3, value: undefined },
  ]);
});

test("search takes words of keys and values, in any order", () => {
  const [base] = layers as [Layer];
  const found = (words: string): string[] =>
    settingsOf(settings, value, base, base)
      .filter((setting) => matches(setting, words))
      .map(({ key }) => key);
  expect(found("TAB editor")).toEqual(["editor.tabSize", "editor.tabSize"]);
  expect(found("rust")).toEqual(["editor.tabSize"]);
  expect(found("true git")).toEqual(["git.autofetch"]);
  expect(found("nowhere")).toEqual([]);
});

test("how a value is entered follows its schema, and the value where the schema is open", () => {
  expect(inputFor({ enum: ["a"] }, undefined)).toBe("choice");
  expect(inputFor({ type: ["string", "null"] }, null)).toBe("line");
  expect(inputFor({ type: "string", "x-merge": "text" }, "")).toBe("text");
  expect(inputFor(null, true)).toBe("switch");
  expect(inputFor(null, 3)).toBe("number");
  expect(inputFor(null, [1])).toBe("json");
});

test("the newest version of a built-in type is the one that is shown", () => {
  expect(schemaOf("profile")?.["x-version"]).toBe(3);
  expect(fieldAt(schemaOf("trust") ?? {}, ["workspaces", "x", "decision"])?.enum).toContain("trusted");
});
