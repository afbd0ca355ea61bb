// Every page of the site: its path, and the file that is loaded when somebody goes there.
//
// routes.json has the same paths for the relay, which answers 404 for others; a test compares the two.

import type { QueryClient } from "@tanstack/react-query";
import type { ComponentType } from "react";

import { documentQuery } from "../api/document.ts";
import { documentsQuery, spacesQuery } from "../api/documents.ts";
import { laterNote } from "../pages/document/laterNote.ts";
import { later } from "../ui/later.tsx";

type Reads = (client: QueryClient, params: Readonly<Record<string, string | undefined>>) => Promise<unknown>;

export interface Route {
  path: string;
  Page: ComponentType;
  /** Loads the script of the page, before it is shown. */
  load: () => Promise<void>;
  /** Who sees it: everybody, whoever is signed in, or operators. */
  access: "everybody" | "account" | "operator";
  /** Begins to read what the page shows first, before its script is there. */
  reads: Reads;
}

type Script = Parameters<typeof later>[0];

function route(path: string, access: Route["access"], script: Script, reads: Reads = readNothing): Route {
  const { load, View } = later(script);
  return { path, access, load, Page: View, reads };
}

const readNothing: Reads = () => Promise.resolve();

const readVault: Reads = async (client) => {
  const spaces = await client.query(spacesQuery);
  await Promise.all(spaces.map((space) => client.query(documentsQuery(space.id))));
};

const readDocument: Reads = async (client, { space = "", document = "" }) => {
  const [{ document: read }] = await Promise.all([
    client.query(documentQuery({ space, document })),
    client.query(spacesQuery),
  ]);
  if (read.type === "note") await laterNote.load();
};

export const routes: readonly Route[] = [
  route("/", "everybody", () => import("../pages/landing/Landing.tsx")),
  route("/sign-in", "everybody", () => import("../pages/sign-in/SignIn.tsx")),
  route("/vault", "account", () => import("../pages/vault/Vault.tsx"), readVault),
  route("/vault/:space/:document", "account", () => import("../pages/document/DocumentPage.tsx"), readDocument),
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
