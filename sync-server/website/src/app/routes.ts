// Every page of the site: its path, and the file that is loaded when somebody goes there.
//
// routes.json has the same paths for the relay, which answers 404 for others; a test compares the two.

import { lazy, type ComponentType } from "react";

type Load = () => Promise<{ default: ComponentType }>;

export interface Route {
  path: string;
  Page: ComponentType;
  /** Begins to load the page, before it is shown. */
  load: Load;
  /** Who sees it: everybody, whoever is signed in, or operators. */
  access: "everybody" | "account" | "operator";
}

function route(path: string, access: Route["access"], load: Load): Route {
  return { path, access, load, Page: lazy(load) };
}

export const routes: readonly Route[] = [
  route("/", "everybody", () => import("../pages/landing/Landing.tsx")),
  route("/sign-in", "everybody", () => import("../pages/sign-in/SignIn.tsx")),
  route("/vault", "account", () => import("../pages/vault/Vault.tsx")),
  route("/vault/:space/:document", "account", () => import("../pages/document/DocumentPage.tsx")),
  route("/vault/:space/:document/history", "account", () => import("../pages/history/HistoryPage.tsx")),
  route("/conflicts", "account", () => import("../pages/conflicts/Conflicts.tsx")),
  route("/conflicts/:space/:document", "account", () => import("../pages/conflicts/DocumentConflicts.tsx")),
  route("/quarantine", "account", () => import("../pages/quarantine/Quarantine.tsx")),
  route("/devices", "account", () => import("../pages/devices/Devices.tsx")),
  route("/operator", "operator", () => import("../pages/operator/Operator.tsx")),
  route("/operator/:space/:document", "operator", () => import("../pages/operator/Explain.tsx")),
  route("/docs", "everybody", () => import("../pages/docs/Docs.tsx")),
  route("/docs/api-reference", "everybody", () => import("../pages/docs/ApiReference.tsx")),
  route("/docs/:page", "everybody", () => import("../pages/docs/Docs.tsx")),
  route("/docs/decisions/:decision", "everybody", () => import("../pages/docs/Docs.tsx")),
  route("/marketplace", "everybody", () => import("../pages/marketplace/Marketplace.tsx")),
];
