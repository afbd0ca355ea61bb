// How the site is built, and served while it is developed.
//
// In development `/api` goes to the relay at RELAY (http://127.0.0.1:7420 unless it is set). With RELAY_TOKEN every
// request carries that token, so that pages can be worked on without signing in.

import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

import { compressed } from "./build/compressed.ts";
import { theme } from "./build/theme.ts";
import { words } from "./build/words.ts";

const relay = {
  target: process.env["RELAY"] ?? "http://127.0.0.1:7420",
  headers: process.env["RELAY_TOKEN"] === undefined ? {} : { authorization: `Bearer ${process.env["RELAY_TOKEN"]}` },
};

export default defineConfig({
  plugins: [react(), words(), theme(), compressed({ firstLoadBytesMax: 150_000 })],
  server: { proxy: { "/api": relay, "/readyz": relay, "/healthz": relay }, fs: { allow: ["../.."] } },
  build: {
    // The relay answers with a strict content security policy: nothing may be inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: ["chrome123", "edge123", "firefox120", "safari17.5"],
    reportCompressedSize: false,
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}", "build/**/*.test.ts"] },
});
