// A picture of what the whole is for: two devices edit while apart, and both have both edits afterwards.

import { text } from "../../text.ts";
import styles from "./Landing.module.css";

interface Line {
  key: string;
  value: string;
  isNew?: boolean;
}

const theme: Line = { key: "theme", value: '"Solarized"' };
const size = { key: "editor.fontSize", value: "15" };
const tab = { key: "editor.tabSize", value: "2" };

export function Merge() {
  return (
    <figure className={styles.merge} aria-label={text.landing.merge.label}>
      <div className={styles.apart}>
        <Device
          name={text.landing.merge.laptop}
          about={text.landing.merge.offline}
          lines={[theme, { ...tab, isNew: true }]}
        />
        <Device
          name={text.landing.merge.desk}
          about={text.landing.merge.home}
          lines={[theme, { ...size, isNew: true }]}
        />
      </div>
      <svg className={styles.join} viewBox="0 0 400 44" preserveAspectRatio="none" aria-hidden="true">
        <path d="M100 0C100 26 200 14 200 44M300 0C300 26 200 14 200 44" vectorEffect="non-scaling-stroke" />
      </svg>
      <Device
        name={text.landing.merge.both}
        about={text.landing.merge.merged}
        lines={[theme, { ...size, isNew: true }, { ...tab, isNew: true }]}
      />
    </figure>
  );
}

function Device({ name, about, lines }: { name: string; about: string; lines: readonly Line[] }) {
  return (
    <div className={styles.device}>
      <div className={styles.deviceName}>
        <span>{name}</span>
        <span>{about}</span>
      </div>
      <code>
        {lines.map((line) => (
          <span key={line.key} className={line.isNew ? styles.fresh : undefined}>
            {line.key}: <b>{line.value}</b>
          </span>
        ))}
      </code>
    </div>
  );
}
