// One of a few, all of them in view.

import styles from "./ui.module.css";

interface Props<T extends string> {
  label: string;
  options: readonly { value: T; name: string; about?: string }[];
  chosen: T;
  onChoose: (value: T) => void;
  /** The names are such as stand in files. */
  isCode?: boolean;
}

export function Choice<T extends string>({ label, options, chosen, onChoose, isCode = false }: Props<T>) {
  return (
    <div className={styles.choice} data-code={isCode || undefined} role="group" aria-label={label}>
      {options.map(({ value, name, about }) => (
        <button key={value} type="button" title={about} aria-pressed={value === chosen} onClick={() => onChoose(value)}>
          {name}
        </button>
      ))}
    </div>
  );
}
