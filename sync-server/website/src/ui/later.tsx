// A piece of the site whose script is loaded when it is needed.
//
// React's own `lazy` is no match: a fallback that it has shown stays for 300 ms, also if the script is there after 20.

import { useEffect, useState, type ComponentType } from "react";

import { Skeleton } from "./parts.tsx";

export interface Later<Props> {
  /** Loads the script, if nobody did before. */
  load: () => Promise<void>;
  /** Shows a skeleton until it is there; throws if it does not come. */
  View: ComponentType<Props>;
}

export function later<Props extends object>(script: () => Promise<{ default: ComponentType<Props> }>): Later<Props> {
  let Loaded: ComponentType<Props> | null = null;
  const load = async (): Promise<void> => {
    Loaded ??= (await script()).default;
  };
  function View(props: Props) {
    const [isThere, setThere] = useState(Loaded !== null);
    const [error, setError] = useState<Error | null>(null);
    useEffect(() => {
      if (!isThere) load().then(() => setThere(true), setError);
    }, [isThere]);
    if (error !== null) throw error;
    return Loaded === null ? <Skeleton /> : <Loaded {...props} />;
  }
  return { load, View };
}
