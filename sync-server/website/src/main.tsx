// Where the site begins.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { lookAhead } from "./app/ahead.ts";
import { App } from "./app/App.tsx";
import "./app/base.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element with the id root");
// Not awaited: the scripts of pages import from this one, and would wait for it in turn.
void lookAhead(location.pathname).then(() =>
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  ),
);
