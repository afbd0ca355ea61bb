// The pages of the documentation, in the order in which one reads them. Each is a file of docs/, loaded when it is
// opened; the API reference is made from docs/openapi.json.

export const docPages = [
  { group: "begin", pages: ["quick-start", "architecture", "life-of-an-edit"] },
  { group: "use", pages: ["settings-files", "conflicts", "queries", "presence", "schemas", "limits"] },
  { group: "build", pages: ["api", "api-reference", "protocol", "file-format"] },
  { group: "run", pages: ["operations", "configuration", "benchmarks"] },
  { group: "work", pages: ["testing", "style"] },
] as const;

export type DocPage = (typeof docPages)[number]["pages"][number];

export function docPath(page: DocPage): string {
  return page === "quick-start" ? "/docs" : `/docs/${page}`;
}
