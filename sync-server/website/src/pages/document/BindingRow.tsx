// One binding of a keymap: what it does, whether it is on, and what can be done with it.

import { inOneLine } from "../../document/json.ts";
import { commandOf, isOff, textOf, type Binding } from "../../document/keymap.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import { Hidden } from "../../ui/parts.tsx";
import ui from "../../ui/ui.module.css";
import { Keys } from "./Keys.tsx";
import styles from "./Keymap.module.css";
import type { BindingActions } from "./useKeymap.ts";

interface Props {
  binding: Binding;
  index: number;
  /** The binding that takes its keys. */
  shadowedBy: number | undefined;
  /** Null: whoever looks may not write. */
  actions: (BindingActions & { change: (index: number) => void }) | null;
  canMove: { up: boolean; down: boolean };
}

export function BindingRow({ binding, index, shadowedBy, actions, canMove }: Props) {
  const [keys, command, when] = [textOf(binding, "key"), commandOf(binding), textOf(binding, "when")];
  const isTurnedOff = isOff(binding);
  return (
    <li className={styles.binding} data-index={index} data-off={isTurnedOff}>
      <span className={styles.place}>{index + 1}</span>
      <Keys keys={keys} />
      <div className={styles.what}>
        <div className={styles.line}>
          <code>{command}</code>
          {isTurnedOff && <Hidden>{text.keymap.off}</Hidden>}
          {binding["args"] !== undefined && <code className={styles.args}>{inOneLine(binding["args"])}</code>}
        </div>
        {when !== "" && (
          <p>
            {text.keymap.whenShort} <code>{when}</code>
          </p>
        )}
        {shadowedBy !== undefined && <p className={styles.overlap}>{text.keymap.neverReached(shadowedBy + 1)}</p>}
      </div>
      <input
        type="checkbox"
        role="switch"
        className={ui.switch}
        aria-label={text.keymap.runs(keys, command)}
        title={isTurnedOff ? text.keymap.off : text.keymap.on}
        checked={!isTurnedOff}
        disabled={actions === null}
        onChange={(event) => actions?.turn(index, event.target.checked ? "on" : "off")}
      />
      {actions !== null && (
        <div className={styles.actions}>
          <Action
            icon="up"
            label={text.keymap.moveUp(keys)}
            isDisabled={!canMove.up}
            run={() => actions.move(index, "up")}
          />
          <Action
            icon="down"
            label={text.keymap.moveDown(keys)}
            isDisabled={!canMove.down}
            run={() => actions.move(index, "down")}
          />
          <Action icon="pencil" label={text.keymap.changeOf(keys)} run={() => actions.change(index)} />
          <Action icon="close" label={text.keymap.remove(keys)} run={() => actions.remove(index)} />
        </div>
      )}
    </li>
  );
}

interface ActionProps {
  icon: "up" | "down" | "pencil" | "close";
  label: string;
  isDisabled?: boolean;
  run: () => void;
}

function Action({ icon, label, isDisabled, run }: ActionProps) {
  return (
    <Button
      look="quiet"
      size="small"
      icon={icon}
      aria-label={label}
      title={label}
      data-action={icon}
      disabled={isDisabled}
      onClick={run}
    />
  );
}
