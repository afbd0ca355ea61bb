// Applies the theme that was chosen before anything is painted, so that a page never flashes in the other one.
//
// A script in the document would do, but the content security policy refuses it: it becomes a file of its own.

import type { Plugin } from "vite";

const source = `(function () {
  try {
    var theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (error) {
    // Storage may be forbidden: then the system decides.
  }
})();
`;

export function theme(): Plugin {
  let reference = "";
  return {
    name: "theme",
    apply: "build",
    buildStart() {
      reference = this.emitFile({ type: "asset", name: "theme.js", source });
    },
    transformIndexHtml: {
      order: "post",
      handler(_html, context) {
        const file = Object.keys(context.bundle ?? {}).find((name) => /assets\/theme-.*\.js$/.test(name));
        if (file === undefined) throw new Error(`the theme script ${reference} is not in the bundle`);
        return [{ tag: "script", attrs: { src: `/${file}` }, injectTo: "head-prepend" }];
      },
    },
  };
}
