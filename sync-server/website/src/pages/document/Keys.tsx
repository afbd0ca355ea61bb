// Keys as a person sees them, and a field for them: typed, or recorded as they are pressed.

import { useEffect, useId, useRef, useState, type KeyboardEvent, type MouseEvent } from "react";

import { chordOf, normalKeys } from "../../document/keys.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import ui from "../../ui/ui.module.css";
import styles from "./Keymap.module.css";

/** `ctrl+k ctrl+c`: keys that are pressed together, one after the other. */
export function Keys({ keys }: { keys: string }) {
  return (
    <span className={styles.keys}>
      {keys.split(" ").map((chord, index) => (
        <span key={index} className={styles.keys}>
          {index > 0 && <i />}
          {/* The key itself may be a plus. */}
          {chord.split(/\+(?=.)/).map((key, place) => (
            <kbd key={place}>{key}</kbd>
          ))}
        </span>
      ))}
    </span>
  );
}

interface Props {
  value: string;
  onChange: (value: string) => void;
}

export function KeysInput({ value, onChange }: Props) {
  const [isRecording, setRecording] = useState(false);
  const recorded = useRef<string[]>([]);
  const input = useRef<HTMLInputElement>(null);
  const [id, about] = [useId(), useId()];
  useEffect(() => {
    const isWrong = value.trim() !== "" && normalKeys(value) === null;
    input.current?.setCustomValidity(isWrong ? text.keymap.keysWrong : "");
  }, [value]);

  const record = (event: MouseEvent<HTMLButtonElement>): void => {
    // Safari gives no focus to what is clicked.
    event.currentTarget.focus();
    recorded.current = [];
    setRecording(!isRecording);
  };
  const press = (event: KeyboardEvent): void => {
    if (!isRecording) return;
    // Nothing that is pressed means anything to the page or the dialog now; Escape, and a click anywhere, lead out.
    event.preventDefault();
    event.stopPropagation();
    const chord = chordOf(event.nativeEvent);
    if (chord === "escape") setRecording(false);
    else if (chord !== null && !event.repeat) {
      recorded.current.push(chord);
      onChange(recorded.current.join(" "));
    }
  };
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{text.keymap.keys}</label>
      <div className={styles.record} data-recording={isRecording}>
        <input
          ref={input}
          id={id}
          className={`${ui.input ?? ""} ${styles.code ?? ""}`}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          onBlur={() => onChange(normalKeys(value) ?? value)}
          placeholder="ctrl+k ctrl+c"
          aria-describedby={about}
          spellCheck={false}
          autoCapitalize="none"
          autoComplete="off"
          readOnly={isRecording}
          required
        />
        <Button
          icon="keys"
          aria-pressed={isRecording}
          onClick={record}
          onKeyDown={press}
          onKeyUp={(event) => isRecording && event.preventDefault()}
          onBlur={() => setRecording(false)}
        >
          {isRecording ? text.keymap.recordEnd : text.keymap.record}
        </Button>
      </div>
      <small id={about} role="status">
        {isRecording ? text.keymap.recording : text.keymap.keysAbout}
      </small>
    </div>
  );
}
