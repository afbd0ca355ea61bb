// A form in a dialog; with the button that opens it, or opened by something else.

import { useEffect, useId, useRef, useState, type ReactNode, type SyntheticEvent } from "react";

import { text } from "../text.ts";
import { Button } from "./Button.tsx";
import type { IconName } from "./Icon.tsx";
import styles from "./ui.module.css";

interface FormProps {
  title: string;
  /** What the button says that sends the form. */
  submit: string;
  /** It was sent and not answered yet. */
  isBusy?: boolean;
  onSubmit: (close: () => void) => void;
  children: ReactNode;
}

interface Props extends FormProps {
  icon?: IconName;
  /** Nobody can open it at the moment. */
  isDisabled?: boolean;
}

export function FormDialog({ icon, isDisabled, ...form }: Props) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button {...(icon && { icon })} disabled={isDisabled} onClick={() => setOpen(true)}>
        {form.title}
      </Button>
      {isOpen && <OpenForm {...form} onClose={() => setOpen(false)} />}
    </>
  );
}

/** The dialog itself, open as long as it is there. */
export function OpenForm({ title, submit, isBusy, onSubmit, onClose, children }: FormProps & { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  const close = (): void => dialog.current?.close();
  const send = (event: SyntheticEvent): void => {
    event.preventDefault();
    onSubmit(close);
  };
  return (
    <dialog ref={dialog} className={styles.dialog} aria-labelledby={id} onClose={onClose}>
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
  );
}
