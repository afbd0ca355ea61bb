// Puts the site together: what is read is kept in one cache, and every path leads to a page.

import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { BrowserRouter, Route, Routes } from "react-router";

import { asProblem } from "../api/problem.ts";
import { NotFound } from "../pages/not-found/NotFound.tsx";
import { Gate } from "./Gate.tsx";
import { routes } from "./routes.ts";
import { end } from "./session.ts";
import { Shell } from "./Shell.tsx";

const retriesMax = 2;

const onError = (error: unknown): void => {
  if (asProblem(error).status === 401) end(client);
};

// Nothing is read again by itself: hints say when something is new.
const client: QueryClient = new QueryClient({
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

export function App() {
  return (
    <QueryClientProvider client={client}>
      <BrowserRouter>
        <Routes>
          <Route element={<Shell />}>
            {routes.map((route) => (
              <Route key={route.path} path={route.path} element={<Gate route={route} />} />
            ))}
            <Route path="*" element={<NotFound />} />
          </Route>
        </Routes>
      </BrowserRouter>
    </QueryClientProvider>
  );
}
