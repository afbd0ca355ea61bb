// The conflict inbox: documents in which fields wait for a person.

import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { inboxQuery } from "../../api/conflicts.ts";
import { spacesQuery } from "../../api/documents.ts";
import { text } from "../../text.ts";
import { Icon } from "../../ui/Icon.tsx";
import { Badge, Empty, Page, Panel, Skeleton } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { nameOf, typeName } from "../vault/names.ts";
import styles from "../vault/Vault.module.css";

export default function Conflicts() {
  const inbox = useQuery(inboxQuery);
  const spaces = useQuery(spacesQuery).data ?? [];
  return (
    <Page title={text.conflicts.title} about={text.conflicts.about}>
      {inbox.error && <ProblemNote error={inbox.error} onRetry={() => void inbox.refetch()} />}
      {inbox.isPending && <Skeleton rows={3} />}
      {inbox.data?.length === 0 && (
        <Empty icon="check" title={text.conflicts.empty} command={["vault conflicts"]}>
          {text.conflicts.emptyAbout}
        </Empty>
      )}
      {inbox.data && inbox.data.length > 0 && (
        <Panel title={text.conflicts.documents}>
          <ul className={styles.documents}>
            {inbox.data.map((item) => {
              const { name, icon } = nameOf(item);
              return (
                <li key={item.space + item.id}>
                  <Link to={`/conflicts/${item.space}/${item.id}`}>
                    <Icon name={icon} />
                    <span className={styles.name}>{name}</span>
                    <Badge tone="warn">{text.conflicts.fields(item.fields)}</Badge>
                    <span className={styles.type}>
                      {spaces.find(({ id }) => id === item.space)?.name ?? typeName(item.type)}
                    </span>
                  </Link>
                </li>
              );
            })}
          </ul>
        </Panel>
      )}
    </Page>
  );
}
