// Shows Markdown. Links within the site are followed without loading it anew.

import { useMemo, type MouseEvent } from "react";
import { useNavigate } from "react-router";

import { renderMarkdown, type Link } from "./markdown.ts";
import "./markdown.css";

export function Markdown({ source, link }: { source: string; link?: Link }) {
  const navigate = useNavigate();
  const html = useMemo(() => renderMarkdown(source, link), [source, link]);
  const follow = (event: MouseEvent): void => {
    const href = (event.target as Element).closest("a")?.getAttribute("href");
    if (!href?.startsWith("/") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    void navigate(href);
  };
  // The renderer escapes all HTML of the source; what is in `html` is its own.
  return <div className="markdown" onClick={follow} dangerouslySetInnerHTML={{ __html: html }} />;
}
