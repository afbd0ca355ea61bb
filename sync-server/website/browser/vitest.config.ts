// The tests in a real browser: one file after the other, for each has a relay, vaults and a browser of its own.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    include: ["browser/**/*.browser.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A second, the default, is too short where both cores are busy.
    expect: { poll: { timeout: 30_000 } },
  },
});
