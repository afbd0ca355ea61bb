// The texts of the documentation: files of docs/, each loaded when it is read, and our own quick start.

const files = import.meta.glob<string>(["../../../../../docs/*.md", "../../../../../docs/decisions/*.md"], {
  query: "?raw",
  import: "default",
});
const quickStart = (): Promise<string> => import("./quick-start.md?raw").then((module) => module.default);

/** By the name in the address: `api`, `decisions/0018-conflicts`. */
const loaders = new Map<string, () => Promise<string>>([
  ["quick-start", quickStart],
  ...Object.entries(files).map(([path, load]): [string, () => Promise<string>] => [nameIn(path), load]),
]);

export function hasDoc(name: string): boolean {
  return loaders.has(name);
}

export async function loadDoc(name: string): Promise<string> {
  const load = loaders.get(name);
  if (load === undefined) throw new Error(`there is no page ${name} in the documentation`);
  return await load();
}

/** Everything, for the search. */
export async function loadAll(): Promise<{ name: string; source: string }[]> {
  return await Promise.all([...loaders].map(async ([name, load]) => ({ name, source: await load() })));
}

/** Where a link in a document leads on this site. What is not part of the documentation leads nowhere. */
export function docLink(from: string, href: string): string | null {
  if (/^https?:/.test(href) || href.startsWith("#")) return href;
  const [path = "", hash] = href.split("#");
  const name = resolve(from, path).replace(/\.md$/, "");
  if (name === "openapi.json" || name === "api-reference") return "/docs/api-reference";
  if (!hasDoc(name)) return null;
  return `/docs/${name}${hash === undefined ? "" : `#${hash}`}`;
}

function resolve(from: string, path: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of path.split("/")) {
    if (part === "..") {
      if (parts.length === 0) return "";
      parts.pop();
    } else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function nameIn(path: string): string {
  return path.replace(/^.*\/docs\//, "").replace(/\.md$/, "");
}
