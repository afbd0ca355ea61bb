// My vault: every document, by space and type, as it is now.

import { useDeferredValue, useState } from "react";
import { Link, useSearchParams } from "react-router";

import { useDocuments, type DocumentItem, type SpaceDocuments } from "../../api/documents.ts";
import { numberOf } from "../../api/position.ts";
import { LiveMark } from "../../app/Shell.tsx";
import { text } from "../../text.ts";
import { Icon } from "../../ui/Icon.tsx";
import { Badge, Empty, Page, Panel, Search, Skeleton } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { nameOf, typeName } from "./names.ts";
import { NewNote } from "./NewNote.tsx";
import styles from "./Vault.module.css";

export default function Vault() {
  const { spaces, isPending, error } = useDocuments();
  const [words, setWords] = useState("");
  const [query, setQuery] = useSearchParams();
  const type = query.get("type");
  const wanted = useDeferredValue(words.toLowerCase());
  const types = countTypes(spaces);
  const shown = spaces.map(({ space, documents }) => ({
    space,
    documents: documents.filter((item) => (type === null || item.type === type) && isNamed(item, wanted)),
  }));
  const choose = (next: string | null): void => setQuery(next === null ? {} : { type: next }, { replace: true });
  return (
    <Page
      title={text.vault.title}
      about={text.vault.about}
      actions={<NewNote spaces={spaces.map(({ space }) => space)} />}
    >
      {error !== null && <ProblemNote error={error} onRetry={() => location.reload()} />}
      <div className={styles.bar}>
        <div className={styles.find}>
          <Search label={text.vault.search} value={words} onChange={setWords} />
        </div>
        <div className={styles.types} role="group" aria-label={text.vault.types}>
          <TypeButton isChosen={type === null} onClick={() => choose(null)}>
            {text.vault.all}
          </TypeButton>
          {types.map(([name, count]) => (
            <TypeButton key={name} isChosen={type === name} onClick={() => choose(name)}>
              {typeName(name)} <small>{count}</small>
            </TypeButton>
          ))}
        </div>
        <LiveMark />
      </div>
      {isPending && error === null ? (
        <Skeleton />
      ) : (
        <Spaces spaces={shown} isFiltered={wanted !== "" || type !== null} />
      )}
    </Page>
  );
}

interface TypeButtonProps {
  isChosen: boolean;
  onClick: () => void;
  children: React.ReactNode;
}

function TypeButton({ isChosen, onClick, children }: TypeButtonProps) {
  return (
    <button type="button" aria-pressed={isChosen} onClick={onClick}>
      {children}
    </button>
  );
}

function Spaces({ spaces, isFiltered }: { spaces: readonly SpaceDocuments[]; isFiltered: boolean }) {
  const filled = spaces.filter(({ documents }) => documents.length > 0);
  if (filled.length === 0 && isFiltered) {
    return (
      <Empty icon="search" title={text.vault.nothing}>
        {text.vault.nothingAbout}
      </Empty>
    );
  }
  if (filled.length === 0) {
    return (
      <Empty icon="grid" title={text.vault.empty} command={text.vault.emptyCommands(location.origin)}>
        {text.vault.emptyAbout}
      </Empty>
    );
  }
  return filled.map(({ space, documents }) => (
    <Panel key={space.id} title={space.name} actions={<Badge>{text.roles[space.role]}</Badge>}>
      <ul className={styles.documents}>
        {sorted(documents).map((item) => (
          <Row key={item.id} item={item} />
        ))}
      </ul>
    </Panel>
  ));
}

function Row({ item }: { item: DocumentItem }) {
  const { name, icon } = nameOf(item);
  return (
    <li>
      <Link to={`/vault/${item.space}/${item.id}`}>
        <Icon name={icon} />
        <span className={styles.name}>{name}</span>
        {item.held !== null && <Badge tone="warn">{text.held.title}</Badge>}
        <span className={styles.type}>{typeName(item.type)}</span>
        <span className={styles.position} title={text.vault.position}>
          {numberOf(item.position)}
        </span>
      </Link>
    </li>
  );
}

/** Well-known documents first, for there is one of each; then by name. */
function sorted(items: readonly DocumentItem[]): DocumentItem[] {
  const rank = (item: DocumentItem): number => (item.title === null ? 0 : 1);
  return [...items].sort(
    (a, b) => rank(a) - rank(b) || nameOf(a).name.localeCompare(nameOf(b).name) || (a.id < b.id ? -1 : 1),
  );
}

function isNamed(item: DocumentItem, words: string): boolean {
  const known = `${nameOf(item).name} ${typeName(item.type)} ${item.id}`.toLowerCase();
  return words.split(/\s+/).every((word) => known.includes(word));
}

function countTypes(spaces: readonly SpaceDocuments[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { documents } of spaces) {
    for (const { type } of documents) if (type !== null) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a.localeCompare(b));
}
