// Where the vault is: devices, what has reached the relay, and the browsers that are signed in.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { devices, revokeSession, sessions, type Device, type SessionItem } from "../../api/account.ts";
import { useDocuments } from "../../api/documents.ts";
import { end } from "../../app/session.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import { Command } from "../../ui/Command.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { Badge, Dot, Empty, Id, Page, Panel, Skeleton, Time } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import { browserIn } from "./agent.ts";
import styles from "./devices.module.css";

/** The relay writes for pages under this name. */
const websiteAgent = "website";

export default function Devices() {
  const all = useQuery({ queryKey: ["spaces", "devices"], queryFn: devices, staleTime: Infinity });
  return (
    <Page title={text.devices.title} about={text.devices.about}>
      <Saved devices={all.data ?? []} />
      {all.error && <ProblemNote error={all.error} onRetry={() => void all.refetch()} />}
      {all.isPending && <Skeleton rows={3} />}
      {all.data?.length === 0 && (
        <Empty icon="device" title={text.devices.empty} command={text.vault.emptyCommands(location.origin)}>
          {text.devices.emptyAbout}
        </Empty>
      )}
      {all.data && all.data.length > 0 && (
        <Panel title={text.devices.devices}>
          <ul className={styles.list}>
            {all.data.map((device) => (
              <DeviceRow key={device.id} device={device} />
            ))}
          </ul>
        </Panel>
      )}
      <Sessions />
    </Page>
  );
}

function Saved({ devices }: { devices: readonly Device[] }) {
  const { spaces, isPending } = useDocuments();
  const count = spaces.reduce((sum, { documents }) => sum + documents.length, 0);
  const real = devices.filter(({ agent, revoked_at }) => agent !== websiteAgent && revoked_at === null);
  const connected = real.filter(({ is_connected }) => is_connected).length;
  return (
    <section className={styles.saved}>
      <Icon name="check" size={22} />
      <div>
        <h2>{text.devices.saved}</h2>
        <p role="status">{isPending ? text.loading : text.devices.savedYes(count)}</p>
        {real.length > 0 && (
          <p>{connected === 0 ? text.devices.noneConnected : text.devices.connectedNow(connected, real.length)}</p>
        )}
        <p>{text.devices.unsent}</p>
      </div>
      <Command lines={["vault status"]} />
    </section>
  );
}

function DeviceRow({ device }: { device: Device }) {
  const isWebsite = device.agent === websiteAgent;
  return (
    <li>
      <Icon name={isWebsite ? "grid" : "device"} />
      <div className={styles.what}>
        <strong>{isWebsite ? text.devices.website : device.agent || text.device}</strong>
        <Id of={device.id} />
      </div>
      <span className={styles.times}>
        {text.devices.begun} <Time at={device.created_at} />
      </span>
      {!isWebsite && <Connection device={device} />}
    </li>
  );
}

function Connection({ device }: { device: Device }) {
  if (device.revoked_at !== null) return <Badge tone="bad">{text.devices.revoked}</Badge>;
  return (
    <span className={styles.connection}>
      <Dot state={device.is_connected ? "good" : "none"} />
      {device.is_connected ? text.devices.connected : text.devices.away}
    </span>
  );
}

function Sessions() {
  const client = useQueryClient();
  const all = useQuery({ queryKey: ["account", "sessions"], queryFn: sessions, staleTime: 0 });
  const ending = useMutation({
    mutationFn: (session: SessionItem) => revokeSession(session.id),
    onSuccess: async (_, session) => {
      if (session.is_current) end(client);
      else await all.refetch();
    },
  });
  return (
    <>
      {all.error && <ProblemNote error={all.error} onRetry={() => void all.refetch()} />}
      {ending.error && <ProblemNote error={ending.error} onDismiss={() => ending.reset()} />}
      {all.isPending && <Skeleton rows={1} />}
      {all.data && (
        <Panel title={text.devices.sessions}>
          <ul className={styles.list}>
            {all.data.map((session) => {
              const agent = browserIn(session.agent) ?? text.devices.unknownAgent;
              return (
                <li key={session.id}>
                  <Icon name="person" />
                  <div className={styles.what}>
                    <strong title={session.agent}>{agent}</strong>
                    {session.is_current && <Badge tone="accent">{text.devices.current}</Badge>}
                  </div>
                  <span className={styles.times}>
                    {text.devices.begun} <Time at={session.created_at} />, {text.devices.expires}{" "}
                    <Time at={session.expires_at} />
                  </span>
                  <Button
                    size="small"
                    disabled={ending.isPending}
                    aria-label={text.devices.endNamed(agent)}
                    onClick={() => ending.mutate(session)}
                  >
                    {text.devices.end}
                  </Button>
                </li>
              );
            })}
          </ul>
        </Panel>
      )}
    </>
  );
}
