// What stands around every page: the way to the others, who is signed in, and whether the page is live.

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, NavLink, Outlet, useLocation } from "react-router";

import { text } from "../text.ts";
import { Button, ButtonLink } from "../ui/Button.tsx";
import { Icon } from "../ui/Icon.tsx";
import { Dot, Hidden } from "../ui/parts.tsx";
import { useFollow, useLive } from "./live.ts";
import { leave, useSession } from "./session.ts";
// Not loaded later: whoever opens it types on at once.
import { Palette } from "./Palette.tsx";
import styles from "./Shell.module.css";
import { Sidebar, sectionOf } from "./Sidebar.tsx";
import { chooseTheme, isDark } from "./theme.ts";
import { useShortcuts } from "./shortcuts.ts";

export function Shell() {
  useFollow();
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  useShortcuts(() => setPaletteOpen(true));
  const { pathname, hash } = useLocation();
  useEffect(() => {
    if (hash === "") scrollTo(0, 0);
  }, [pathname, hash]);
  const section = sectionOf(pathname);
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        {text.nav.skip}
      </a>
      <Header onSearch={() => setPaletteOpen(true)} />
      <Notice />
      <div className={section === null ? styles.wide : styles.columns}>
        {section !== null && <Sidebar section={section} />}
        <main id="main" tabIndex={-1} className={styles.main}>
          <Outlet />
        </main>
      </div>
      {isPaletteOpen && <Palette onClose={() => setPaletteOpen(false)} />}
    </div>
  );
}

function Header({ onSearch }: { onSearch: () => void }) {
  return (
    <header className={styles.header}>
      <Link to="/" className={styles.brand} aria-label={text.nav.home}>
        <Mark />
        <span>{text.brand}</span>
      </Link>
      <nav aria-label={text.nav.main} className={styles.nav}>
        {sections.map(({ to, name, short }) => (
          <NavLink key={to} to={to} aria-label={name}>
            <span className={styles.long}>{name}</span>
            <span className={styles.short}>{short}</span>
          </NavLink>
        ))}
      </nav>
      <button type="button" className={styles.find} onClick={onSearch} aria-keyshortcuts="Control+K">
        <Icon name="search" size={16} />
        <span>{text.nav.search}</span>
        <kbd>Ctrl K</kbd>
      </button>
      <ThemeSwitch />
      <Account />
    </header>
  );
}

/** On a phone there is room for short names only. */
const sections = [
  { to: "/vault", name: text.nav.vault, short: text.nav.short.vault },
  { to: "/docs", name: text.nav.docs, short: text.nav.short.docs },
  { to: "/marketplace", name: text.nav.marketplace, short: text.nav.short.marketplace },
];

/** Four strokes of one chord. */
function Mark() {
  return (
    <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true" className={styles.mark}>
      <rect width="32" height="32" rx="7" />
      <path d="M8 21v-6M13.3 24V9M18.7 21v-8M24 18v-4" strokeWidth="2.6" strokeLinecap="round" fill="none" />
    </svg>
  );
}

function ThemeSwitch() {
  const [dark, setDark] = useState(isDark);
  const change = (): void => {
    chooseTheme(dark ? "light" : "dark");
    setDark(!dark);
  };
  const label = dark ? text.theme.toLight : text.theme.toDark;
  return <Button look="quiet" icon={dark ? "sun" : "moon"} aria-label={label} title={label} onClick={change} />;
}

function Account() {
  const { session } = useSession();
  const client = useQueryClient();
  if (session === undefined) return <span className={styles.account} />;
  if (session === null) {
    return (
      <span className={styles.account}>
        <ButtonLink to="/sign-in">{text.nav.signIn}</ButtonLink>
      </span>
    );
  }
  return (
    <span className={styles.account}>
      <Link to="/devices" className={styles.person} title={text.nav.signedInAs(session.account.name)}>
        <Icon name="person" size={16} />
        <span>{session.account.name}</span>
      </Link>
      <Button look="quiet" onClick={() => void leave(client)}>
        {text.nav.signOut}
      </Button>
    </span>
  );
}

/** Says when the page cannot be current, above whatever is shown. */
function Notice() {
  const state = useLive();
  const { session } = useSession();
  const isOffline = session !== null && session !== undefined && state === "offline";
  return (
    <div role="status" className={styles.notices}>
      {isOffline && (
        <p className={styles.notice}>
          <Dot state="warn" /> {text.live.offline}
        </p>
      )}
    </div>
  );
}

/** Whether what is shown is current. */
export function LiveMark() {
  const state = useLive();
  const tone = state === "live" ? "good" : state === "connecting" ? "none" : "warn";
  return (
    <span className={styles.live}>
      <Dot state={tone} />
      <span>
        <Hidden>{text.live.label} </Hidden>
        {text.live.short[state]}
      </span>
    </span>
  );
}
