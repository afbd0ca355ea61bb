// What is read is kept in one cache. Nothing is read again by itself: hints say when something is new.

import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";

import { asProblem } from "../api/problem.ts";
import { end } from "./session.ts";

const retriesMax = 2;

const onError = (error: unknown): void => {
  if (asProblem(error).status === 401) end(client);
};

export const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError }),
  mutationCache: new MutationCache({ onError }),
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      // Fails at once without a network, and says so, in place of waiting in silence.
      networkMode: "always",
      retry: (failures, error) => failures < retriesMax && asProblem(error).isTransient,
    },
    mutations: { networkMode: "always", retry: false },
  },
});
