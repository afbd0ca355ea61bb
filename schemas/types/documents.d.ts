// Made from the document types by `cargo xtask generate`; the plain forms.

/** Which extensions a person wants, by id. What is wanted is a value, not the presence of a key: an uninstalled extension stays here as uninstalled, so that a device that was offline removes it rather than bringing it back. */
export interface Extensions {
  /** By id, as in publisher.name. Nothing is removed from here. */
  wanted?: Record<string, {
    /** What holds on one machine instead, by the name its owner gave it. */
    machines?: Record<string, "enabled" | "disabled" | "uninstalled">;
    /** Take versions that are not finished. */
    preview?: boolean;
    /** What holds on every device: there and running, there and not running, or not there. */
    state: "enabled" | "disabled" | "uninstalled";
    /** Stay at this version; the newest if there is none. */
    version?: string | null;
    [other: string]: unknown;
  }>;
  [other: string]: unknown;
}

/** What the relay vouches for of a space. Nobody else writes it. */
export interface Identity {
  /** The short name in addresses: of one space in the whole relay. */
  handle?: string | null;
  [other: string]: unknown;
}

/** Key bindings; of two that fit, the later one in the list runs, as in VS Code. */
export interface Keymap {
  /** Stored as keyed items with a fractional order, so that moving one is one edit and two devices that import the same file do not double it. */
  bindings?: Array<{
    /** Handed to the command as one value. */
    args?: unknown;
    /** What to do; a leading - removes a default binding. */
    command: string;
    /** The keys, as in ctrl+k ctrl+c. */
    key: string;
    /** Where it holds. */
    when?: string;
    [other: string]: unknown;
  }>;
  /** How the file is written, apart from its values: comments and spelling. In file what concerns the whole, in members one object per binding or field, in repeats the earlier ones of keys given twice. */
  layout?: Record<string, unknown>;
  [other: string]: unknown;
}

/** A text with a name. */
export interface Note {
  /** The text, rich by Markdown (CommonMark with tables, task lists and strikethrough, as GitHub has them). Concurrent typing merges letter by letter. */
  body?: string;
  /** What it is called. */
  name?: string;
  [other: string]: unknown;
}

/** How a person shows himself to others. */
export interface Profile {
  /** A few sentences; concurrent typing merges letter by letter. */
  about?: string;
  /** Where the person is reached; for nobody else. What two devices write at once is put to the person. */
  email?: string | null;
  /** A short name that the person would like. The one that others see is in the identity document: it is nobody else's. */
  handle?: string | null;
  /** Pages of the person, in order. */
  links?: Array<{
    /** Where it is. */
    address: string;
    /** What it is called. */
    label?: string;
    [other: string]: unknown;
  }>;
  /** As the person words it. */
  location?: string;
  /** The name that others see. */
  name?: string;
  /** Address of a picture. */
  picture?: string;
  /** As in they/them. */
  pronouns?: string;
  /** Whether everybody may see the public fields. Nobody does before the person says so. */
  shown?: boolean;
  [other: string]: unknown;
}

/** How a publisher of extensions shows itself, and whom the marketplace deals with. One in each space: a person's own, or that of a team. */
export interface Publisher {
  /** What it makes; concurrent typing merges letter by letter. */
  about?: string;
  /** The domain that it says is its own. Whether that was verified is not for it to say. */
  domain?: string | null;
  /** The name on every listing. */
  name?: string | null;
  /** Whom the marketplace asks about money; for nobody else. */
  payoutContact?: string | null;
  /** Address of its sign. */
  picture?: string;
  /** Where users find help: an address of a page or of mail. */
  support?: string;
  /** Its page. */
  website?: string;
  [other: string]: unknown;
}

/** What one person thinks of one extension. */
export interface Review {
  /** Its id, as in publisher.name. */
  extension: string;
  /** From 1, which is poor, to 5. */
  rating: number;
  /** The whole of it; concurrent typing merges letter by letter. */
  text?: string;
  /** In a few words. */
  title?: string;
  /** The version of the extension that was tried. */
  version?: string;
  [other: string]: unknown;
}

/** The settings of an editor in layers: base, one per platform, one per machine. Keys are free; objects merge leaf by leaf, arrays as one value. */
export interface Settings {
  /** What holds everywhere. */
  base?: SettingsLayer;
  /** How the file of each layer is written, apart from its values: order, comments, spelling. By layer, as in platforms/linux. */
  layout?: Record<string, SettingsLayout>;
  /** What holds on one machine, by the name its owner gave it. */
  machines?: Record<string, SettingsLayer>;
  /** What holds on one platform, by its name (linux, macos, windows). */
  platforms?: Record<string, SettingsLayer>;
  [other: string]: unknown;
}

/** A settings file: a key such as editor.tabSize, or a language such as [rust] with keys of its own. */
export type SettingsLayer = Record<string, unknown>;

/** In file what concerns the whole, in members one object per JSON Pointer, in repeats the earlier ones of keys given twice. Every leaf is a text that merges as a register. */
export type SettingsLayout = Record<string, unknown>;

/** Pieces of text that are typed by a short word, by language and name. */
export interface Snippets {
  /** By language, such as rust; * holds in all of them. In a language by name. */
  languages?: Record<string, Record<string, SnippetsSnippet>>;
  [other: string]: unknown;
}

/** A field changed here and another one there are both kept; a body is never half of one and half of another. */
export interface SnippetsSnippet {
  /** What is put in its place, with $1 and ${1:name} for places to fill in. */
  body: string;
  /** What it is for. */
  description?: string;
  /** The word that is typed, or several of them. */
  prefix: string | string[];
  [other: string]: unknown;
}

/** Which workspaces may run code of their own. A decision is never settled by chance: two of them at once are put to the person, and until then the workspace is not trusted. */
export interface Trust {
  /** By what tells a workspace from others on every device, such as the address of its repository. */
  workspaces?: Record<string, {
    /** Null, and no decision at all, mean that the person is asked. */
    decision?: "trusted" | "restricted" | null;
    /** Why, for the person himself. */
    note?: string;
    [other: string]: unknown;
  }>;
  [other: string]: unknown;
}
