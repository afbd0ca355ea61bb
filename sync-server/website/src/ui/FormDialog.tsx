// A form in a dialog, with the button that opens it.

import { useId, useRef, type ReactNode, type SyntheticEvent } from "react";

import { text } from "../text.ts";
import { Button } from "./Button.tsx";
import type { IconName } from "./Icon.tsx";
import styles from "./ui.module.css";

interface Props {
  title: string;
  icon?: IconName;
  /** Nobody can open it at the moment. */
  isDisabled?: boolean;
  /** What the button says that sends the form. */
  submit: string;
  /** It was sent and not answered yet. */
  isBusy?: boolean;
  onSubmit: (close: () => void) => void;
  children: ReactNode;
}

export function FormDialog({ title, icon, isDisabled, submit, isBusy, onSubmit, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const close = (): void => dialog.current?.close();
  const send = (event: SyntheticEvent): void => {
    event.preventDefault();
    onSubmit(close);
  };
  return (
    <>
      <Button {...(icon && { icon })} disabled={isDisabled} onClick={() => dialog.current?.showModal()}>
        {title}
      </Button>
      <dialog ref={dialog} className={styles.dialog} aria-labelledby={id}>
        <form className={styles.dialogBody} onSubmit={send}>
          <h2 id={id}>{title}</h2>
          {children}
          <div className={styles.dialogActions}>
            <Button onClick={close}>{text.cancel}</Button>
            <Button type="submit" look="primary" disabled={isBusy}>
              {submit}
            </Button>
          </div>
        </form>
      </dialog>
    </>
  );
}
