// The view of notes brings Markdown with it: it is a script of its own.

import { later } from "../../ui/later.tsx";

export const laterNote = later(() => import("./Note.tsx"));
