// Writes `.br` and `.gz` beside what compresses, so that the relay never compresses a file twice; and refuses a build
// whose first load has more script than visitors should wait for.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import type { Plugin } from "vite";

export interface Budget {
  /** Bytes of script, compressed with brotli, that index.html loads before anything is shown. */
  firstLoadBytesMax: number;
}

export function compressed(budget: Budget): Plugin {
  let directory = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved(config) {
      directory = join(config.root, config.build.outDir);
    },
    closeBundle() {
      const assets = join(directory, "assets");
      const sizes = new Map(
        readdirSync(assets)
          .filter(isText)
          .map((name) => [name, compress(join(assets, name))]),
      );
      const first = firstLoad(readFileSync(join(directory, "index.html"), "utf8"));
      const bytes = first.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
      this.info(`first load: ${String(first.length)} scripts, ${String(bytes)} bytes compressed`);
      if (bytes > budget.firstLoadBytesMax) {
        this.error(
          `the first load is ${String(bytes)} bytes of compressed script, at most ` +
            `${String(budget.firstLoadBytesMax)} are allowed; load what is not needed at once with lazy()`,
        );
      }
    },
  };
}

/** The scripts that a document loads at once. */
export function firstLoad(html: string): string[] {
  const tags = html.match(/<(script|link rel="modulepreload")[^>]*>/g) ?? [];
  return tags.flatMap((tag) => /assets\/([^"]+\.js)"/.exec(tag)?.[1] ?? []);
}

function isText(name: string): boolean {
  return /\.(js|css|svg|json|txt|html)$/.test(name);
}

function compress(path: string): number {
  const bytes = readFileSync(path);
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  writeFileSync(`${path}.br`, brotli);
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  return brotli.length;
}
