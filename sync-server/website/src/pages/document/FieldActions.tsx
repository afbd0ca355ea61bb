// What can be done with any field: take back what is set, and see how it came to be.

import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";

interface Props {
  label: string;
  canReset: boolean;
  onReset: () => void;
  onHistory: () => void;
}

export function FieldActions({ label, canReset, onReset, onHistory }: Props) {
  const { reset, historyOf } = text.settings;
  const look = { look: "quiet", size: "small" } as const;
  return (
    <>
      <Button
        {...look}
        icon="reset"
        aria-label={reset(label)}
        title={reset(label)}
        disabled={!canReset}
        onClick={onReset}
      />
      <Button {...look} icon="clock" aria-label={historyOf(label)} title={historyOf(label)} onClick={onHistory} />
    </>
  );
}
