// The tests in a real browser. Each file has a relay, vaults and a browser of its own, so two run at once, and no more:
// on a small machine a page would wait for its share.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    include: ["browser/**/*.browser.ts"],
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A second, the default, is too short where both cores are busy.
    expect: { poll: { timeout: 30_000 } },
  },
});
