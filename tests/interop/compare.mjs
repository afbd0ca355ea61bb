// Reads saved documents with Automerge for JavaScript, and says where it sees anything else than we do.
//
// Every line of the file in the first argument is one document: what it is called, its saved bytes, and what our own
// reading gives: heads, value, and every change in order. Nothing of our code takes part here, so the flat form of
// docs/file-format.md is read once more from its description.

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import * as Automerge from "@automerge/automerge";

const decoder = new TextDecoder();

/** The keys of a JSON Pointer. */
function keys(path) {
  return path.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** What a leaf holds, as JSON. */
function leaf(document, path) {
  const stored = document[path];
  if (Automerge.isImmutableString(stored)) return stored.toString();
  if (!(stored instanceof Uint8Array)) return typeof stored === "bigint" ? Number(stored) : stored;
  const bytes = decoder.decode(stored);
  if (bytes === "text") return document[`${path}\0text`] ?? "";
  if (bytes === "counter") return document[`${path}\0counter`]?.value ?? 0;
  return JSON.parse(bytes);
}

/** The nested form: leaves at paths become objects, and an object wins over a leaf at its own place. */
function nested(document) {
  const root = { children: new Map() };
  const paths = Object.keys(document).filter((key) => key !== "/" && !key.includes("\0"));
  for (const path of paths) {
    let node = root;
    for (const key of keys(path)) {
      if (!node.children.has(key)) node.children.set(key, { children: new Map() });
      node = node.children.get(key);
    }
    node.leaf = leaf(document, path);
  }
  const value = (node) =>
    node.children.size === 0 && node !== root
      ? node.leaf
      : Object.fromEntries([...node.children].map(([key, child]) => [key, value(child)]));
  return value(root);
}

/** The first difference, if there is one. */
function difference({ saved, heads, value, changes }) {
  const document = Automerge.load(Buffer.from(saved, "hex"));
  const theirs = Automerge.getHeads(document).sort();
  if (!isDeepStrictEqual(theirs, heads)) return `heads ${theirs}, not ${heads}`;
  const read = nested(document);
  if (!isDeepStrictEqual(read, value)) return `value ${JSON.stringify(read)}, not ${JSON.stringify(value)}`;
  const made = Automerge.getAllChanges(document).map((bytes) => Buffer.from(bytes).toString("hex"));
  if (!isDeepStrictEqual(made.sort(), [...changes].sort())) return "changes with other bytes";
  const [replayed] = Automerge.applyChanges(Automerge.init(), changes.map((bytes) => Buffer.from(bytes, "hex")));
  const after = Automerge.getHeads(replayed).sort();
  return isDeepStrictEqual(after, heads) ? undefined : `heads ${after} after replaying, not ${heads}`;
}

const lines = readFileSync(process.argv[2], "utf8").trimEnd().split("\n");
let [changes, failed] = [0, 0];
for (const line of lines) {
  const document = JSON.parse(line);
  changes += document.changes.length;
  const found = difference(document);
  if (found !== undefined) {
    failed += 1;
    console.error(`${document.name}: ${found}`);
  }
}
console.log(JSON.stringify({ documents: lines.length, changes, failed }));
process.exitCode = failed === 0 ? 0 : 1;
