// What the pages of the tests show: settings in layers, a keymap, notes, and a conflict.

import type { Vault, World } from "./world.ts";

const settings = {
  "workbench.colorTheme": "Solarized Dark",
  "editor.fontFamily": "JetBrains Mono",
  "editor.fontSize": 14,
  "editor.tabSize": 4,
  "editor.formatOnSave": true,
  "editor.rulers": [80, 120],
  "files.exclude": { "**/target": true },
  "[rust]": { "editor.tabSize": 4 },
};

const keymap = [
  { key: "ctrl+k ctrl+c", command: "editor.action.addCommentLine", when: "editorTextFocus" },
  { key: "f2", command: "-editor.action.rename" },
];

const note =
  "# Set list\n\n- [x] Solace\n- [ ] Night Train\n\n" +
  "| part | bpm |\n|------|----:|\n| head | 136 |\n\n<b>not HTML</b>\n";

export interface Filled {
  laptop: Vault;
  desk: Vault;
  space: string;
  settings: string;
  keymap: string;
  note: string;
  profile: string;
}

export async function fill(world: World): Promise<Filled> {
  const laptop = await world.vault("laptop");
  const desk = await world.vault("desk");
  await laptop.run("import", "settings", world.file("settings.json", JSON.stringify(settings)));
  await laptop.run("set", "settings", "editor.tabSize", "2", "--layer", "platforms/linux");
  await laptop.run("import", "keymap", world.file("keymap.json", JSON.stringify(keymap)));
  await laptop.run("new", "note", "Set list");
  await laptop.run("patch", "Set list", JSON.stringify({ body: note }));
  await laptop.run("patch", "profile", JSON.stringify({ name: "Ada" }));
  await laptop.run("sync");
  await desk.run("sync");
  const documents = JSON.parse(await laptop.run("list", "--json")) as unknown;
  const id = (type: string): string => idOf(documents, type);
  const spaces = await laptop.run("spaces");
  const space = /^([1-9A-HJ-NP-Za-km-z]{20,28})\s/m.exec(spaces)?.[1];
  if (space === undefined) throw new Error(`no space in ${spaces}`);
  return {
    laptop,
    desk,
    space,
    settings: id("settings"),
    keymap: id("keymap"),
    note: id("note"),
    profile: id("profile"),
  };
}

/** Writes one manual field on both devices while they are apart. */
export async function disagree({ laptop, desk }: Filled): Promise<void> {
  await laptop.run("patch", "profile", JSON.stringify({ email: "ada@analytical.example" }));
  await desk.run("patch", "profile", JSON.stringify({ email: "countess@lovelace.example" }));
  await laptop.run("sync");
  await desk.run("sync");
}

function idOf(documents: unknown, type: string): string {
  const list = Array.isArray(documents) ? documents : Object.values(documents as object).find(Array.isArray);
  const found = (list as { id: string; type: string }[] | undefined)?.find((document) => document.type === type);
  if (found === undefined) throw new Error(`the vault has no ${type}: ${JSON.stringify(documents)}`);
  return found.id;
}
