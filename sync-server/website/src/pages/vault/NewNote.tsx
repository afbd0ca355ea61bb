// Begins a note, in a space where the account may write.

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";

import type { Space } from "../../api/account.ts";
import { read, relay } from "../../api/client.ts";
import { asProblem } from "../../api/problem.ts";
import { text } from "../../text.ts";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import ui from "../../ui/ui.module.css";

export function NewNote({ spaces }: { spaces: readonly Space[] }) {
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<string | null>(null);
  // One key for one note: sending it again after a failure begins no second one.
  const [key, setKey] = useState(() => crypto.randomUUID());
  const writable = spaces.filter(({ role }) => role !== "viewer");
  const space = chosen ?? writable[0]?.id ?? "";
  const creation = useMutation({
    mutationFn: () =>
      read(
        relay.POST("/api/v1/spaces/{space}/documents", {
          params: { path: { space }, header: { "Idempotency-Key": `"${key}"` } },
          body: { type: "note", value: { name, body: "" } as never },
        }),
      ),
    onSuccess: ({ id }) => void navigate(`/vault/${space}/${id}?edit`),
    // What was refused is done with; what nobody answered may have begun the note, so that keeps its key.
    onError: (error) => asProblem(error).isTransient || setKey(crypto.randomUUID()),
  });
  return (
    <FormDialog
      title={text.newNote.title}
      icon="note"
      isDisabled={writable.length === 0}
      submit={text.newNote.begin}
      isBusy={creation.isPending}
      onSubmit={(close) => creation.mutate(undefined, { onSuccess: close })}
    >
      <label>
        {text.newNote.name}
        <input className={ui.input} value={name} onChange={(event) => setName(event.target.value)} required autoFocus />
      </label>
      {writable.length > 1 && (
        <label>
          {text.vault.space}
          <select className={ui.input} value={space} onChange={(event) => setChosen(event.target.value)}>
            {writable.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        </label>
      )}
      {creation.error && <ProblemNote error={creation.error} />}
    </FormDialog>
  );
}
