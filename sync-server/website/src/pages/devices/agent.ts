// What a browser calls itself, in words: its name and the system it runs on.

/** The first that fits counts: most browsers also call themselves Chrome or Safari. */
const browsers: readonly [RegExp, string][] = [
  [/Edg\//, "Edge"],
  [/Firefox\//, "Firefox"],
  [/OPR\//, "Opera"],
  [/Chrom(e|ium)\//, "Chrome"],
  [/Safari\//, "Safari"],
];

const systems: readonly [RegExp, string][] = [
  [/iPhone|iPad/, "iOS"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/CrOS/, "ChromeOS"],
  [/Linux/, "Linux"],
];

/** Null if nothing in it is known. */
export function browserIn(agent: string | null): string | null {
  const browser = nameIn(browsers, agent ?? "");
  const system = nameIn(systems, agent ?? "");
  if (browser === null) return system;
  return system === null ? browser : `${browser}, ${system}`;
}

function nameIn(names: readonly [RegExp, string][], agent: string): string | null {
  return names.find(([pattern]) => pattern.test(agent))?.[1] ?? null;
}
