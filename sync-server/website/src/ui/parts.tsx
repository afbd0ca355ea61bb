// The small parts: badges, dots, times, ids, panels, empty states, and the head of a page.

import { useEffect, useRef, type ReactNode } from "react";
import { useLocation } from "react-router";

import { text } from "../text.ts";
import { Command } from "./Command.tsx";
import { Icon, type IconName } from "./Icon.tsx";
import styles from "./ui.module.css";

export function Badge({
  tone = "plain",
  children,
}: {
  tone?: "plain" | "accent" | "warn" | "bad";
  children: ReactNode;
}) {
  return <span className={`${styles.badge ?? ""} ${tone === "plain" ? "" : (styles[tone] ?? "")}`}>{children}</span>;
}

export function Dot({ state }: { state: "good" | "warn" | "bad" | "none" }) {
  return <span className={styles.dot} data-state={state} aria-hidden="true" />;
}

export function Hidden({ children }: { children: ReactNode }) {
  return <span className={styles.hidden}>{children}</span>;
}

let made: { exactly: Intl.DateTimeFormat; relatively: Intl.RelativeTimeFormat } | undefined;

/** Made for the first time that is shown, and not while the site begins: a browser takes long for them. */
function formats(): NonNullable<typeof made> {
  return (made ??= {
    exactly: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }),
    relatively: new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }),
  });
}

const units: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** How long ago something was, as of when it is shown; the exact time is in the tooltip. */
export function Time({ at }: { at: string }) {
  const date = new Date(at);
  return (
    <time dateTime={at} title={formats().exactly.format(date)}>
      {ago(date, new Date())}
    </time>
  );
}

export function ago(date: Date, now: Date): string {
  const seconds = (date.getTime() - now.getTime()) / 1000;
  const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return unit === "second" && Math.abs(seconds) < 45
    ? text.time.now
    : formats().relatively.format(Math.round(seconds / length), unit);
}

/** The beginning of an id; the whole is in the tooltip. */
export function Id({ of }: { of: string }) {
  return (
    <span className={styles.id} title={of}>
      {of.slice(0, 8)}
    </span>
  );
}

export function Panel({ title, actions, children }: { title?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <section className={styles.panel}>
      {title !== undefined && (
        <div className={styles.panelTitle}>
          <h2>{title}</h2>
          {actions}
        </div>
      )}
      {children}
    </section>
  );
}

interface EmptyProps {
  icon: IconName;
  title: string;
  children: ReactNode;
  command?: readonly string[];
}

/** Nothing is here: says why, and which command fills it. */
export function Empty({ icon, title, children, command }: EmptyProps) {
  return (
    <div className={styles.empty}>
      <Icon name={icon} size={28} />
      <h2>{title}</h2>
      <p>{children}</p>
      {command && <Command lines={command} />}
    </div>
  );
}

/** Lines in the place of what is still read, as high as what will be there. */
export function Skeleton({ rows = 6 }: { rows?: number }) {
  const widths = [styles.w1, styles.w3, styles.w4, styles.w2];
  return (
    <div className={styles.panel} aria-busy="true">
      <Hidden>{text.loading}</Hidden>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className={styles.skeletonRow}>
          <span className={`${styles.skeleton ?? ""} ${widths[row % widths.length] ?? ""}`} />
        </div>
      ))}
    </div>
  );
}

interface PageProps {
  title: string;
  about?: ReactNode;
  crumbs?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A page: its title is that of the window, and gets the focus when somebody comes from another page. */
export function Page({ title, about, crumbs, actions, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { key, hash } = useLocation();
  useEffect(() => {
    document.title = title === text.brand ? title : `${title} · ${text.brand}`;
  }, [title]);
  useEffect(() => {
    // The first page is entered from the top, by the browser itself.
    if (key !== "default" && hash === "") heading.current?.focus({ preventScroll: true });
  }, [key, hash]);
  return (
    <div className={styles.page}>
      <header className={styles.pageHead}>
        <div>
          {crumbs !== undefined && <div className={styles.crumbs}>{crumbs}</div>}
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {about !== undefined && <p>{about}</p>}
        </div>
        {actions !== undefined && <div className={styles.pageActions}>{actions}</div>}
      </header>
      {children}
    </div>
  );
}

interface SearchProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
}

export function Search({ label, value, onChange }: SearchProps) {
  return (
    <label className={styles.search}>
      <Hidden>{label}</Hidden>
      <Icon name="search" size={16} />
      <input
        className={styles.input}
        type="search"
        placeholder={label}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}
