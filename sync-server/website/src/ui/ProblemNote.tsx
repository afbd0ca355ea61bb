// A problem as a person needs it: what is wrong, the remedy, the code to search for, and a way to try again.

import { asProblem } from "../api/problem.ts";
import { text } from "../text.ts";
import { Button } from "./Button.tsx";
import { Icon } from "./Icon.tsx";
import styles from "./ui.module.css";

interface Props {
  error: unknown;
  onRetry?: (() => void) | undefined;
  onDismiss?: (() => void) | undefined;
}

export function ProblemNote({ error, onRetry, onDismiss }: Props) {
  const problem = asProblem(error);
  return (
    <div className={styles.problem} role="alert">
      <Icon name="alert" />
      <div>
        <strong>{problem.title}</strong> <code className={styles.problemCode}>{problem.code}</code>
        <p className={styles.problemDetail}>{problem.detail}</p>
        {problem.violations.length > 0 && (
          <ul className={styles.violations}>
            {problem.violations.map((violation) => (
              <li key={violation.path + violation.code}>
                <code>{violation.path || "/"}</code> {violation.message}; {violation.remedy}
              </li>
            ))}
          </ul>
        )}
        {problem.requestId && <p className={styles.problemDetail}>{text.problem.request(problem.requestId)}</p>}
      </div>
      <div>
        {onRetry && (
          <Button size="small" onClick={onRetry}>
            {text.problem.retry}
          </Button>
        )}
        {onDismiss && (
          <Button size="small" look="quiet" icon="close" aria-label={text.problem.dismiss} onClick={onDismiss} />
        )}
      </div>
    </div>
  );
}
