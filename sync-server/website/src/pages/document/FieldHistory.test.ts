import { expect, test } from "vitest";

import type { Edit } from "../../api/document.ts";
import { editsOf } from "../../api/document.ts";
import { changesOf } from "./FieldHistory.tsx";

test("the history of a field has the edits that gave it another value, and the oldest only when all is known", () => {
  const edits = ["e", "d", "c", "b", "a"].map((batch): Edit => editOf(batch));
  const values = [2, 2, 4, 4, undefined];
  const batches = (isAll: boolean): string[] => changesOf(edits, values, isAll).map(({ edit }) => edit.batch);
  expect(batches(true)).toEqual(["d", "b"]);
  expect(changesOf(edits.slice(0, 2), [2, 2], false)).toEqual([]);
  expect(changesOf(edits.slice(0, 2), [2, 2], true).map(({ edit }) => edit.batch)).toEqual(["d"]);
});

test("entries of one batch are one edit, at the position of its newest entry", () => {
  const item = { bytes: 1, device: "x", excluded: false, hash: "", kind: "change" as const, time: "" };
  const edits = editsOf([
    { ...item, batch: "b", position: "e:3" },
    { ...item, batch: "b", position: "e:2" },
    { ...item, batch: "a", position: "e:1" },
  ]);
  expect(edits.map(({ batch, position, changes }) => [batch, position, changes])).toEqual([
    ["b", "e:3", 2],
    ["a", "e:1", 1],
  ]);
});

function editOf(batch: string): Edit {
  return { batch, device: "d", time: "", position: batch, changes: 1, kind: "change", isExcluded: false };
}
