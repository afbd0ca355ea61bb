// The live connection as parts of the page see it, and its life: it runs while somebody is signed in.

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

import { hasUnsavedEdits, resumeEdits } from "../api/edits.ts";
import { follow, live, type LiveState } from "../api/live.ts";
import { end, useSession } from "./session.ts";

export function useLive(): LiveState {
  return useSyncExternalStore(live.subscribe, live.current);
}

/** Follows the spaces of whoever is signed in; sends what waited once there is a connection again. */
export function useFollow(): void {
  const client = useQueryClient();
  const { session } = useSession();
  const account = session?.account.id;
  useEffect(() => {
    if (account === undefined) return;
    live.set("connecting");
    return follow(client, () => end(client));
  }, [account, client]);

  const state = useLive();
  useEffect(() => {
    if (state === "live") resumeEdits();
  }, [state]);

  useEffect(() => {
    addEventListener("online", resumeEdits);
    return () => removeEventListener("online", resumeEdits);
  }, []);

  useEffect(() => {
    const warn = (event: BeforeUnloadEvent): void => {
      if (hasUnsavedEdits()) event.preventDefault();
    };
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, []);
}
