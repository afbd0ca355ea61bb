// A line over time, with its first and last value in words.

import type { Sample } from "../../api/operator.ts";
import { text } from "../../text.ts";
import styles from "./operator.module.css";

interface Props {
  name: string;
  samples: readonly Sample[];
  of: (sample: Sample) => number | null;
  shown: (value: number) => string;
}

const width = 240;
const height = 56;

export function Chart({ name, samples, of, shown }: Props) {
  const values = samples.map(of).filter((value) => value !== null);
  const [first, last] = [values[0], values.at(-1)];
  if (first === undefined || last === undefined) return null;
  const line = points(values).join(" ");
  return (
    <figure className={styles.chart}>
      <figcaption>
        <span>{name}</span>
        <strong>{shown(last)}</strong>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={text.operator.chart(name, shown(first), shown(last))}
      >
        <polygon points={`0,${height} ${line} ${width},${height}`} />
        <polyline points={line} vectorEffect="non-scaling-stroke" />
      </svg>
    </figure>
  );
}

/** Fills the height from the least to the greatest value; what never moves is a line in the middle. */
export function points(values: readonly number[]): string[] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const step = width / Math.max(1, values.length - 1);
  const y = (value: number): number =>
    most === least ? height / 2 : height - 4 - ((value - least) / (most - least)) * (height - 8);
  return values.map((value, index) => `${(index * step).toFixed(1)},${y(value).toFixed(1)}`);
}
