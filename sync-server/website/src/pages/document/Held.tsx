// A document that is held: why, and its repair. What a repair would do is looked at first, and done once the owner of
// the space has seen it.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import type { DocumentPlace } from "../../api/document.ts";
import { numberOf } from "../../api/position.ts";
import { lookAtRepair, repair, type Repair } from "../../api/repair.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import { Id } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import ui from "../../ui/ui.module.css";
import styles from "./Held.module.css";

interface Props {
  place: DocumentPlace;
  reason: string;
  isOwner: boolean;
}

export function Held({ place, reason, isOwner }: Props) {
  const client = useQueryClient();
  const read = (): Promise<void> => client.invalidateQueries({ queryKey: ["space", place.space] });
  const look = useMutation({
    mutationFn: () => lookAtRepair(place),
    onSuccess: ({ state }) => (state === "sound" ? read() : undefined),
  });
  return (
    <section className={styles.held} aria-label={text.held.title}>
      <div>
        <strong>{text.held.title}</strong>
        <p>{text.held.about(reason)}</p>
        <p className={styles.remedy}>{isOwner ? text.held.remedy : text.held.ownerOnly}</p>
        <p role="status">{look.data?.state === "sound" && text.held.sound}</p>
      </div>
      {isOwner && (
        <Button disabled={look.isPending} onClick={() => look.mutate()}>
          {text.held.look}
        </Button>
      )}
      {look.error && <ProblemNote error={look.error} onRetry={() => look.mutate()} onDismiss={() => look.reset()} />}
      {look.data?.state === "held" && (
        <Confirmation place={place} plan={look.data} onDone={read} onClose={() => look.reset()} />
      )}
    </section>
  );
}

interface ConfirmationProps {
  place: DocumentPlace;
  plan: Repair;
  onDone: () => Promise<void>;
  onClose: () => void;
}

function Confirmation({ place, plan, onDone, onClose }: ConfirmationProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const doing = useMutation({
    mutationFn: () => repair(place),
    onSuccess: async () => {
      await onDone();
      dialog.current?.close();
    },
  });
  const { excluded, dependents } = plan;
  return (
    <dialog ref={dialog} className={ui.dialog} aria-labelledby="repair" onClose={onClose}>
      <div className={ui.dialogBody}>
        <h2 id="repair">{text.held.ask(excluded.length)}</h2>
        <p>{text.held.askAbout}</p>
        <ul className={styles.changes} aria-label={text.held.excluded}>
          {excluded.map(({ hash, device, position, reason }) => (
            <li key={hash}>
              <p>{reason}</p>
              <Source hash={hash} device={device} position={position} />
            </li>
          ))}
        </ul>
        {dependents.length > 0 && (
          <>
            <h3>{text.held.dependents(dependents.length)}</h3>
            <ul className={styles.changes}>
              {dependents.map(({ hash, device, position, lost, replaced_by: replacement }) => (
                <li key={hash}>
                  <p>{replacement === null ? text.held.lost : text.held.kept(lost)}</p>
                  <Source hash={hash} device={device} position={position} />
                </li>
              ))}
            </ul>
          </>
        )}
        {doing.error && <ProblemNote error={doing.error} />}
        <div className={ui.dialogActions}>
          <Button onClick={() => dialog.current?.close()}>{text.cancel}</Button>
          <Button look="danger" disabled={doing.isPending} onClick={() => doing.mutate()}>
            {text.held.repair}
          </Button>
        </div>
      </div>
    </dialog>
  );
}

function Source({ hash, device, position }: { hash: string; device: string; position: string }) {
  return (
    <p className={styles.source}>
      <span>
        {text.held.change} <Id of={hash} />
      </span>
      <span>
        {text.device} <Id of={device} />
      </span>
      <span>{text.publication.position(numberOf(position))}</span>
    </p>
  );
}
