// A page of the documentation, with what is on it, and the search over all pages.

import { useQuery } from "@tanstack/react-query";
import { useCallback, useDeferredValue, useEffect, useState, type ReactNode } from "react";
import { Link, useLocation, useParams } from "react-router";

import { text } from "../../text.ts";
import { Markdown } from "../../ui/Markdown.tsx";
import { slugOf } from "../../ui/markdown.ts";
import { Search, Skeleton } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { NotFound } from "../not-found/NotFound.tsx";
import { find, sectionsOf } from "./search.ts";
import { docLink, hasDoc, loadAll, loadDoc } from "./sources.ts";
import styles from "./docs.module.css";

export default function Docs() {
  const { page, decision } = useParams();
  const name = decision === undefined ? (page ?? "quick-start") : `decisions/${decision}`;
  if (!hasDoc(name)) return <NotFound />;
  return (
    <DocsFrame>
      <Doc key={name} name={name} />
    </DocsFrame>
  );
}

/** The search stands above every page; what it finds takes the place of the page. */
export function DocsFrame({ children }: { children: ReactNode }) {
  const [words, setWords] = useState("");
  const { pathname, hash } = useLocation();
  const [shownAt, setShownAt] = useState(pathname + hash);
  if (shownAt !== pathname + hash) {
    setShownAt(pathname + hash);
    setWords("");
  }
  return (
    <div className={styles.docs}>
      <div className={styles.search}>
        <Search label={text.docs.search} value={words} onChange={setWords} />
      </div>
      {words.trim() === "" ? children : <Found words={words} />}
    </div>
  );
}

function Found({ words }: { words: string }) {
  const wanted = useDeferredValue(words);
  const all = useQuery({
    queryKey: ["public", "docs"],
    queryFn: async () => (await loadAll()).flatMap(({ name, source }) => sectionsOf(name, source)),
    staleTime: Infinity,
  });
  if (all.error) return <ProblemNote error={all.error} onRetry={() => void all.refetch()} />;
  if (all.data === undefined) return <Skeleton />;
  const hits = find(all.data, wanted);
  return (
    <>
      <p role="status" className={styles.muted}>
        {text.docs.found(hits.length)}
      </p>
      <ul className={styles.hits}>
        {hits.map(({ section, excerpt }) => (
          <li key={section.doc + section.slug}>
            <Link to={`/docs/${section.doc}${section.slug && `#${section.slug}`}`}>
              <strong>{section.heading}</strong>
              {section.heading !== section.title && <span>{section.title}</span>}
              <p>{excerpt}</p>
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}

function Doc({ name }: { name: string }) {
  const { hash } = useLocation();
  const link = useCallback((href: string) => docLink(name, href), [name]);
  const doc = useQuery({ queryKey: ["public", "docs", name], queryFn: () => loadDoc(name), staleTime: Infinity });
  const source = doc.data;
  useEffect(() => {
    if (source === undefined) return;
    document.title = `${sectionsOf(name, source)[0]?.title ?? name} · ${text.brand}`;
    if (hash !== "") document.getElementById(decodeURIComponent(hash.slice(1)))?.scrollIntoView();
  }, [name, source, hash]);
  if (doc.error) return <ProblemNote error={doc.error} onRetry={() => void doc.refetch()} />;
  if (source === undefined) return <Skeleton rows={10} />;
  return (
    <div className={styles.columns}>
      <Markdown source={source} link={link} />
      <Contents source={source} />
    </div>
  );
}

function Contents({ source }: { source: string }) {
  const headings = [...source.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/^## (.*)$/gm)].map(
    (match) => match[1] ?? "",
  );
  if (headings.length < 3) return null;
  return (
    <nav className={styles.contents} aria-label={text.docs.contents}>
      <h2>{text.docs.contents}</h2>
      <ul>
        {headings.map((heading) => {
          const words = heading.replaceAll(/[`*]/g, "");
          return (
            <li key={heading}>
              <a href={`#${slugOf(words)}`}>{words}</a>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
