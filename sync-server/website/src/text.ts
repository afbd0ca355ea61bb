// Every word of the site, in one place, so that it can be said in another language: texts, and functions where a value
// or a number decides the words.

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

export const text = {
  brand: "Symphony Vault",
  /** Of the document itself, before anything of the site runs; build/words.ts puts them into index.html. */
  html: {
    title: "Symphony Vault",
    description: "Your editor's settings, keymaps and notes, on every device, with or without a network.",
    noScript:
      "This site shows your vault live, which needs JavaScript. The same data is at /api/v1 for other programs.",
  },
  loading: "Loading",
  cancel: "Cancel",
  close: "Close",
  device: "Device",
  time: { now: "just now" },
  bytes: (count: number): string =>
    count < 1024
      ? `${count} B`
      : count < 1_048_576
        ? `${(count / 1024).toFixed(1)} KiB`
        : count < 1_073_741_824
          ? `${(count / 1_048_576).toFixed(1)} MiB`
          : `${(count / 1_073_741_824).toFixed(1)} GiB`,

  nav: {
    skip: "Skip to the content",
    home: "Symphony Vault, start page",
    main: "Site",
    vault: "My vault",
    docs: "Documentation",
    marketplace: "Marketplace",
    short: { vault: "Vault", docs: "Docs", marketplace: "Market" },
    documents: "Documents",
    conflicts: "Conflicts",
    quarantine: "Quarantine",
    devices: "Devices and sessions",
    operator: "Relay",
    search: "Search or go to…",
    signIn: "Sign in",
    signOut: "Sign out",
    signedInAs: (name: string): string => `Signed in as ${name}`,
  },
  theme: { change: "Change the theme", toDark: "Dark theme", toLight: "Light theme" },
  live: {
    label: "Connection:",
    short: { connecting: "Connecting", live: "Live", offline: "Offline", ended: "Signed out" },
    offline: "The relay is not reached. What is shown may be old; your edits wait here and are sent when it is back.",
  },
  command: { label: "Commands", copy: "Copy", copied: "Copied" },
  problem: {
    retry: "Try again",
    dismiss: "Dismiss",
    page: "This page cannot be shown",
    request: (id: string): string => `Request ${id}`,
    unreachable: { title: "The relay is not reached", detail: "check the network; what is shown may be old" },
    unreadable: {
      title: "The answer cannot be read",
      detail: (status: number): string =>
        `the answer has status ${status} and is no problem document; is this the relay's address?`,
    },
    mistake: { title: "The page made a mistake" },
  },
  session: {
    unknown: "Who is signed in is not known",
    how: "Ask for a link that signs you in",
    needed: {
      title: "Sign in to see your vault",
      about: "Whoever runs the relay prints a link for you. It works once, for a few minutes.",
    },
    ended: {
      title: "You were signed out",
      about:
        "The session was ended from elsewhere, or has expired. Nothing that was saved is lost. A " +
        "new link signs you in again.",
    },
  },
  roles: { viewer: "viewer", editor: "editor", owner: "owner" },

  palette: {
    title: "Go to a page, a document, or what a note says",
    placeholder: "A page, a document, or words in a note",
    found: "Found",
    page: "Page",
    action: "Action",
    nothing: (words: string): string => `Nothing is called “${words}”, and no note says it.`,
  },

  landing: {
    short: "settings, keymaps and notes on every device",
    title: "Your editor, the same on every device.",
    about:
      "Settings, keymaps and notes live in a vault on each device, complete without a network. When " +
      "there is one, a relay brings the " +
      "vaults together: changes made apart are merged, key by key and letter by letter, and nothing " +
      "that anybody wrote disappears.",
    open: "Open my vault",
    docs: "Read the documentation",
    promises: "What it promises",
    relay: {
      asked: "Asking this relay",
      ready: "This relay is ready",
      unready: "This relay cannot work at the moment",
    },
    merge: {
      label: "Two devices each change a setting while apart; afterwards both have both changes.",
      laptop: "Laptop",
      offline: "on a train",
      desk: "Desktop",
      home: "at home",
      both: "Both devices",
      merged: "a moment after the train arrives",
    },
    cards: [
      {
        icon: "device",
        title: "Complete offline",
        about:
          "The vault is one file on your device. Reading takes less than a microsecond, and weeks " +
          "offline are no special case.",
      },
      {
        icon: "split",
        title: "Merged, not overwritten",
        about: "Each setting merges by itself, text letter by letter. Where chance must not decide, you do.",
      },
      {
        icon: "shield",
        title: "Nothing lost",
        about:
          "What was acknowledged is on disk. Refused edits stay with their author, with the reason, until he decides.",
      },
      {
        icon: "clock",
        title: "Every version",
        about: "Who changed what, and when. Look at a document as it was, compare, and go back as a new edit.",
      },
    ] as const,
    start: "Start in three steps",
    steps: (origin: string) => [
      {
        title: "Make a vault",
        about: "On each device. Comments and trailing commas in the settings are fine.",
        lines: ["vault init", "vault import settings ~/.config/editor/settings.json"],
      },
      {
        title: "Connect it to this relay",
        about: "The token comes from whoever runs the relay: sync-server token create.",
        lines: [`vault login --relay ${origin} --token-file token`, "vault sync --watch"],
      },
      {
        title: "Change a setting, anywhere",
        about: "In the editor, in a terminal, or on this site. Every device has it a moment later.",
        lines: ["vault set settings editor.tabSize 2"],
      },
    ],
    more: "Follow an edit from a keystroke to another device",
  },

  signIn: {
    title: "Sign in",
    about: "There is no password: a link signs you in. It works once, for fifteen minutes.",
    working: "Signing you in",
    already: (name: string): string => `You are signed in as ${name}`,
    ask: "Get a link",
    askAbout: "Whoever runs the relay prints it for you, with your account's name.",
    paste: "Have the link already?",
    pasteAbout: "Open it in this browser, or paste it here.",
  },

  vault: {
    title: "My vault",
    about: "Every document of your spaces, merged, as it is at this moment.",
    search: "Search documents",
    types: "Types",
    all: "All",
    space: "Space",
    noType: "No type",
    untitled: "Untitled",
    position: "Position of its newest change in the log",
    nothing: "No document is called that",
    nothingAbout: "Fewer letters find more. What notes say is found with Ctrl+K.",
    empty: "Nothing has been synced yet",
    emptyAbout: "Bring your settings in on a device and sync; they appear here as they arrive, without reloading.",
    emptyCommands: (origin: string): string[] => [
      "vault init",
      "vault import settings ~/.config/editor/settings.json",
      `vault login --relay ${origin} --token-file token`,
      "vault sync",
    ],
  },
  newNote: { title: "New note", name: "Name", begin: "Begin" },

  document: {
    title: "Document",
  },
  held: {
    title: "Read-only",
    about: (reason: string): string => `A change did not pass its check: ${reason}.`,
    remedy: "A repair takes out what fails the check, and the document goes on. Look at what it would do first.",
    ownerOnly: "The owner of the space can repair it, here or with vault repair.",
    look: "Look at a repair",
    sound: "Nothing is to be repaired any more.",
    ask: (count: number): string => `Take ${plural(count, "change", "changes")} out?`,
    askAbout: "What is listed counts for nothing afterwards, on any device. The history keeps it, marked as taken out.",
    excluded: "What is taken out",
    dependents: (count: number): string => `${plural(count, "change rests", "changes rest")} on that`,
    lost: "Lost as a whole.",
    kept: (lost: number): string =>
      lost === 0 ? "Kept, written anew." : `Written anew, without ${plural(lost, "operation", "operations")}.`,
    change: "Change",
    repair: "Repair the document",
  },
  publication: {
    title: "Publication",
    states: { all: "public", older: "an older version is public", none: "not public" },
    everybody: "Everybody who has the address sees its public fields, without signing in.",
    readers: "Whoever may read this space sees it, and nobody else.",
    because: (reason: string): string => `Not published, because ${reason}.`,
    refused: "Not published, because it breaks rules of its type:",
    refusedNewest:
      "The newest version is not published, because it breaks rules of its type. What passed before is shown.",
    omitted: (count: number): string => `And ${count} more.`,
    fields: "Public fields",
    version: "Published as of",
    position: (number: number): string => `position ${number}`,
    address: "Public address",
    copy: "Copy the public address",
  },
  save: {
    saved: "Everything is saved",
    sending: "Saving",
    onItsWay: "saving",
    waiting: (count: number): string => `${plural(count, "edit waits", "edits wait")} for the network`,
    failed: (count: number): string => `${plural(count, "edit was", "edits were")} not saved`,
    readOnly: "Read-only for you",
  },
  present: {
    device: (id: string): string => `device ${id} is here`,
    more: (count: number): string => `and ${count} more`,
  },
  deletion: {
    title: "Delete",
    ask: (name: string): string => `Delete “${name}”?`,
    about: "It goes from all devices. It can be brought back for 30 days.",
    deleted: "This document was deleted",
    back: "It can be brought back for 30 days",
    backAbout: "Everything that was in it returns, on all devices. Its history can be read meanwhile.",
    restore: "Bring it back",
  },
  field: {
    none: "not set",
    json: "As JSON",
    manual: "you decide",
    isPublic: "public",
    notANumber: "Not a number. Escape takes it back.",
    notJson: "Not JSON. Escape takes it back.",
  },
  settings: {
    layers: "Layers",
    search: "Search settings",
    onlySet: "Only what is set",
    onlyOverridden: "Only what this layer sets",
    count: (shown: number, all: number): string =>
      shown === all ? plural(all, "entry", "entries") : `${shown} of ${all}`,
    states: { set: "set", overrides: "overrides", inherited: "from base", default: "default" },
    baseSays: (value: string): string => `base: ${value}`,
    reset: (key: string): string => `Reset ${key}`,
    historyOf: (key: string): string => `History of ${key}`,
    add: "Add a setting",
    key: "Key",
    value: "Value",
    valueAbout: "JSON, else a text: 2, true, [80, 120], Solarized Dark",
    layer: "Layer",
    layerIn: (field: string): string => `another one in ${field}…`,
    layerName: "Its name",
    nothing: "No setting fits",
    nothingAbout: "Search looks at keys and values.",
    empty: "This layer is empty",
    emptyAbout: "Settings appear here when a device sets them, or when you add one.",
  },
  fieldHistory: {
    removed: "removed",
    reading: "Reading versions",
    all: "That is the whole history",
    more: "Earlier",
  },
  keymap: {
    search: "Search keys and commands",
    list: "Key bindings; of two that fit, the later one runs",
    count: (shown: number, all: number): string =>
      shown === all ? plural(all, "binding", "bindings") : `${shown} of ${all}`,
    more: (count: number): string => `Show more, ${count} are left`,
    add: "Add a binding",
    change: "Change the binding",
    save: "Save",
    keys: "Keys",
    keysAbout: "As in ctrl+k ctrl+c, one chord after the other. What the browser keeps for itself can be typed.",
    keysWrong: "Modifiers are ctrl, shift, alt and cmd, and each chord ends with one key: ctrl+k ctrl+c.",
    record: "Record",
    recordEnd: "End",
    recording: "Press the keys, one chord after the other. Escape ends.",
    command: "Command",
    when: "When",
    whenShort: "when",
    whenAbout: "Where it holds; empty: everywhere.",
    args: "Arguments",
    argsAbout: "JSON that is handed to the command, if it takes any.",
    argsWrong: "Not JSON. A text stands in quotes.",
    place: "Order",
    placeAbout: (last: number): string => (last === 1 ? "The only one." : `${last} is tried first, 1 last.`),
    neverReached: (other: number): string => `Never reached: binding ${other} comes later and takes these keys.`,
    takesFrom: (others: readonly number[]): string => `It takes these keys from binding ${others.join(", ")}.`,
    on: "On. Turn it off: these keys do not run the command, not by default either.",
    off: "Off: these keys do not run the command, not by default either.",
    runs: (keys: string, command: string): string => `${keys} runs ${command}`,
    moveUp: (keys: string): string => `Move ${keys} up`,
    moveDown: (keys: string): string => `Move ${keys} down`,
    moved: (keys: string, place: number): string => `${keys} is number ${place} now`,
    changeOf: (keys: string): string => `Change ${keys}`,
    remove: (keys: string): string => `Remove ${keys}`,
    removed: (keys: string): string => `${keys} was removed`,
    undo: "Put it back",
    nothing: "No binding fits",
    nothingAbout: "Search looks at keys, commands, conditions and arguments.",
    empty: "No key bindings yet",
    emptyAbout: "Add one here, or import the keymap of your editor on a device; comments in it are kept.",
  },
  note: {
    edit: "Edit",
    done: "Done",
    body: "Text, in Markdown",
    preview: "Preview",
    empty: "This note is empty",
    emptyAbout: "Write here, or in your own editor on any device.",
  },

  history: {
    title: "History",
    of: (name: string): string => `History of ${name}`,
    about: "Every edit, the newest first. Choose one to see what it changed.",
    edits: "Edits",
    more: "Earlier edits",
    compare: "Compare with",
    against: { before: "What it changed", now: "Compare with now" },
    changed: (count: number): string =>
      count === 0 ? "Nothing differs" : plural(count, "field differs", "fields differ"),
    same: "Both are the same. An edit of how a file is written, such as a comment, shows no difference here.",
    before: "before:",
    after: "after:",
    document: "the document",
    lines: "Lines that differ",
    whole: "The whole document then",
    nothing: "It was empty",
    nothingAbout: "Nothing had been written yet.",
    restore: "Restore this version",
    excluded: "taken out",
    kinds: { change: "change", void: "repair", tombstone: "deleted", restore: "brought back", erased: "erased" },
  },

  conflicts: {
    title: "Conflicts",
    about:
      "Fields that were written on several devices at once, where chance must not decide. " +
      "Everything else merges by itself.",
    documents: "Waiting for you",
    waiting: (count: number): string => `${plural(count, "field waits", "fields wait")} for you`,
    fields: (count: number): string => plural(count, "field", "fields"),
    empty: "Nothing waits for you",
    emptyAbout:
      "When two devices write such a field while apart, both values appear here, side by side. A " +
      "terminal shows the same.",
    in: (name: string): string => `Conflicts in ${name}`,
    inAbout: "Each value is safe until you decide. Your decision reaches every device, and stays in the history.",
    open: "Open the document",
    settled: "Everything here is settled",
    settledAbout: "The decision is on its way to every device.",
    values: (count: number): string => plural(count, "value", "values"),
    shown: "shown meanwhile",
    removal: "The field is removed",
    erased: "unknown",
    keep: "Keep this",
    keepNamed: (value: string): string => `Keep this: ${value.slice(0, 60)}`,
    another: "Or another value",
    put: "Put this",
  },
  quarantine: {
    title: "Quarantine",
    about: "Edits of yours that the relay refused, with the reason. They are safe on the device that made them.",
    empty: "No edit was refused",
    emptyAbout:
      "If one ever is, it is here with the reason and what to do. The device that made it keeps it until you decide.",
    final: "for good",
    document: "Document",
    change: "change",
    waiting: (count: number): string => `${plural(count, "batch waits", "batches wait")} for its check, since`,
    look: "What it changed",
    noValues: "It changed no values.",
    unreadable: (why: string): string => `The values cannot be told here: ${why}`,
    neverLoaded:
      "The relay does not load it, so it cannot be made again here. Export it for a report, and make the edit again by " +
      "hand.",
    continued: "Its device has said anew by itself what could be kept of it.",
    saidAgain: "It was made again, and is in the document.",
    resubmit: "Make it again",
    export: "Export",
    discard: "Discard",
    discardAsk: (hash: string): string => `Discard change ${hash}?`,
    discardAbout:
      "It leaves this list, and the relay forgets its bytes. The device that made it still has it, until it is " +
      "discarded there.",
    discardHere: "Discard it here",
    outcomes: {
      resubmitted: "It was made again, as a new edit of what is there now.",
      stored: "It was made again, and waits for its check. Press again in a moment to see what became of it.",
      discarded: "It was discarded here. The device that made it still has it.",
    },
    devices:
      "What is made again here leaves the quarantine of its device by itself when that syncs. What is discarded here " +
      "stays on its device until it is discarded there.",
    onDevice: "On the device that made it:",
  },
  devices: {
    title: "Devices and sessions",
    about: "Where your vault is, what has reached the relay, and which browsers are signed in.",
    devices: "Devices",
    sessions: "Signed-in browsers",
    seen: "seen",
    begun: "since",
    connected: "connected",
    away: "away",
    revoked: "revoked",
    here: "Edits on this site",
    website: "What pages write",
    empty: "No device has connected yet",
    emptyAbout: "A device appears here when it syncs for the first time.",
    saved: "Is everything saved?",
    savedYes: (documents: number): string =>
      `${plural(documents, "document", "documents")} of yours reached the relay and are saved here.`,
    connectedNow: (count: number, all: number): string =>
      `${count} of ${plural(all, "device is", "devices are")} connected and has every change as it comes.`,
    noneConnected: "No device is connected at the moment; each fetches what is new when it is back.",
    unsent:
      "What a device has not sent yet is safe on that device and known to it alone: vault status " +
      "says whether something is.",
    waits: (count: number): string => `${plural(count, "edit", "edits")} of this page wait for the network.`,
    lastPosition: (position: number): string => `${position} changes in the log`,
    used: "used",
    expires: "ends",
    current: "this browser",
    end: "Sign out",
    endNamed: (agent: string): string => `Sign out ${agent}`,
    unknownAgent: "Unknown browser",
  },
  operator: {
    title: "Relay",
    about: "What the relay holds, what it refused, and what waits for somebody. Never what documents say.",
    needed: "This page is for operators of the relay",
    neededAbout: "Whoever runs the relay can give your account that role.",
    again: "Look again",
    takesEdits: "It takes edits",
    takesNone: "It takes no edits",
    version: (version: string, since: string): string => `Version ${version}, up since ${since}`,
    findings: (count: number): string =>
      `${plural(count, "finding", "findings")} at the last look at the storage: sync-server doctor names them.`,
    sound: "The last look at the storage found nothing wrong.",
    unlooked: "The storage was not looked at since the relay began.",
    numbers: "At the moment",
    cards: {
      sockets: "connected devices",
      streams: "open event streams",
      accounts: "accounts",
      devices: "devices",
      documents: "documents",
      spaces: "spaces",
      entries: "entries in logs",
      file: "database",
      free: "free on the disk",
      memory: "memory",
      waiting: "wait for their check",
      slow: "of them in the slow lane",
      intake: "batches in the intake",
      held: "held documents",
      refused: "refused changes kept",
      refusedBytes: "in quarantine",
    },
    charts: "Over the last day",
    tooFew: (seconds: number): string =>
      `A point is taken every ${plural(Math.round(seconds / 60), "minute", "minutes")}; ` +
      `the lines begin with the second one.`,
    chart: (name: string, first: string, last: string): string => `${name}: from ${first} to ${last}`,
    lists: {
      held: {
        title: "Held documents",
        none: "None. A document whose changes fail their check is served as it was before them, until it is repaired.",
      },
      slow: {
        title: "In the slow lane",
        none: "None. A document whose check takes long waits in a lane of its own, where it delays no other.",
        waits: (entries: number, checkingSeconds: number | null): string =>
          checkingSeconds !== null
            ? `being checked for ${plural(checkingSeconds, "second", "seconds")}`
            : entries > 0
              ? plural(entries, "entry waits", "entries wait")
              : "waits",
      },
      repairs: {
        title: "Repairs",
        none: "None. A repair takes what fails its check out of a log; it stays in history and with its author.",
        excluded: (count: number | null): string =>
          count === null ? "its entry does not read" : `${plural(count, "change", "changes")} taken out`,
      },
      quarantine: {
        title: "Quarantines",
        none: "None. Changes that break a rule are refused, and kept for their authors for 30 days.",
        kept: (changes: number, bytes: string): string => `${plural(changes, "change", "changes")}, ${bytes}`,
      },
    },
    more: (count: number): string => `And ${count} more.`,
    explain: "Explain a document",
    explainAbout: "Why it is in the state it is in: its log, devices, checks, refusals and repairs.",
    space: "Space",
    document: "Document",
    look: "Explain",
    explained: "Why this document is as it is",
    all: "Everything that is known",
  },
  markdown: { table: "Table", done: "done", open: "to do" },
  docs: {
    groups: { begin: "Begin", use: "Use", build: "Build", run: "Run", work: "Work on it" },
    search: "Search the documentation",
    searchPaths: "Search paths",
    found: (count: number): string =>
      count === 0 ? "Nothing in the documentation has all of these words." : plural(count, "section", "sections"),
    contents: "On this page",
    apiAbout: "Every path of the relay, made from the description that it serves at /api/v1/openapi.json.",
    apiWords: "The same in words, with examples",
    token: "needs a token or a session",
    noToken: "open to everybody",
    parameters: "Parameters",
    required: "required",
    body: "Body",
    answers: "Answers",
    pages: {
      "quick-start": "Quick start",
      architecture: "Architecture",
      "life-of-an-edit": "The life of an edit",
      "settings-files": "Settings files",
      conflicts: "Conflicts",
      queries: "Queries",
      presence: "Presence",
      schemas: "Document types",
      limits: "Limits",
      api: "HTTP interface",
      "api-reference": "API reference",
      protocol: "Protocol",
      "file-format": "File format",
      operations: "Running a relay",
      configuration: "Configuration",
      benchmarks: "Benchmarks",
      testing: "Testing",
      style: "Style",
    },
  },
  marketplace: {
    title: "Marketplace",
    about: "Extensions, themes and snippets, from people who say who they are.",
    empty: "Not open yet",
    soon:
      "Listings, reviews and publishers will be here. Publishers can already have types of " +
      "their own, and profiles that everybody may see.",
    read: "Read about document types",
  },
  notFound: {
    title: "Nothing is here",
    what: "No page has this address",
    about: "It may have been moved, or the link is mistyped. Ctrl+K finds pages and documents.",
    home: "To the start page",
  },
} as const;
