// Puts the site together: every path leads to a page.

import { QueryClientProvider } from "@tanstack/react-query";
import { BrowserRouter, Route, Routes } from "react-router";

import { NotFound } from "../pages/not-found/NotFound.tsx";
import { client } from "./client.ts";
import { Gate } from "./Gate.tsx";
import { routes } from "./routes.ts";
import { Shell } from "./Shell.tsx";

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
