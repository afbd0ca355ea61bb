// The pages of one part of the site: my vault, or the documentation.

import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, type ReactNode } from "react";
import { NavLink, useLocation } from "react-router";

import { inboxQuery } from "../api/conflicts.ts";
import { docPages, docPath } from "../pages/docs/pages.ts";
import { text } from "../text.ts";
import { Icon, type IconName } from "../ui/Icon.tsx";
import { Hidden } from "../ui/parts.tsx";
import { useSession } from "./session.ts";
import styles from "./Sidebar.module.css";

export type Section = "vault" | "docs";

export function sectionOf(pathname: string): Section | null {
  const first = pathname.split("/")[1];
  if (first === "docs") return "docs";
  return ["vault", "conflicts", "quarantine", "devices", "operator"].includes(first ?? "") ? "vault" : null;
}

export function Sidebar({ section }: { section: Section }) {
  const nav = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  useEffect(() => {
    // On a phone the pages are one line that scrolls.
    nav.current?.querySelector("[aria-current=page]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [pathname]);
  return (
    <nav ref={nav} className={styles.side} aria-label={section === "docs" ? text.nav.docs : text.nav.vault}>
      {section === "docs" ? <DocsPages /> : <VaultPages />}
    </nav>
  );
}

function VaultPages() {
  const { session } = useSession();
  return (
    <ul>
      <Item to="/vault" icon="grid" label={text.nav.documents} />
      <Item to="/conflicts" icon="split" label={text.nav.conflicts} count={<ConflictCount />} />
      <Item to="/quarantine" icon="shield" label={text.nav.quarantine} />
      <Item to="/devices" icon="device" label={text.nav.devices} />
      {session?.account.role === "operator" && <Item to="/operator" icon="gauge" label={text.nav.operator} />}
    </ul>
  );
}

function ConflictCount() {
  const { session } = useSession();
  const inbox = useQuery({ ...inboxQuery, enabled: Boolean(session) });
  const fields = inbox.data?.reduce((sum, item) => sum + item.fields, 0) ?? 0;
  if (fields === 0) return null;
  return (
    <span className={styles.count}>
      {fields}
      <Hidden>{text.conflicts.waiting(fields)}</Hidden>
    </span>
  );
}

function DocsPages() {
  return (
    <>
      {docPages.map(({ group, pages }) => (
        <div key={group} className={styles.group}>
          <h2>{text.docs.groups[group]}</h2>
          <ul>
            {pages.map((page) => (
              <Item key={page} to={docPath(page)} label={text.docs.pages[page]} />
            ))}
          </ul>
        </div>
      ))}
    </>
  );
}

interface ItemProps {
  to: string;
  label: string;
  icon?: IconName;
  count?: ReactNode;
}

function Item({ to, label, icon, count }: ItemProps) {
  return (
    <li>
      <NavLink to={to} end={to === "/docs"}>
        {icon && <Icon name={icon} size={17} />}
        <span>{label}</span>
        {count}
      </NavLink>
    </li>
  );
}
