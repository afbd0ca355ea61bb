// What this is, how to begin, and how the relay is at the moment.

import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link } from "react-router";

import { read, relay } from "../../api/client.ts";
import { useSession } from "../../app/session.ts";
import { text } from "../../text.ts";
import { ButtonLink } from "../../ui/Button.tsx";
import { Command } from "../../ui/Command.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { Dot } from "../../ui/parts.tsx";
import styles from "./Landing.module.css";
import { Merge } from "./Merge.tsx";

export default function Landing() {
  const { session } = useSession();
  useEffect(() => {
    document.title = `${text.brand} · ${text.landing.short}`;
  }, []);
  return (
    <div className={styles.landing}>
      <section className={styles.hero}>
        <div className={styles.words}>
          <RelayState />
          <h1>{text.landing.title}</h1>
          <p>{text.landing.about}</p>
          <div className={styles.actions}>
            {session ? (
              <ButtonLink look="primary" to="/vault">
                {text.landing.open}
              </ButtonLink>
            ) : (
              <ButtonLink look="primary" to="/sign-in">
                {text.nav.signIn}
              </ButtonLink>
            )}
            <ButtonLink to="/docs">{text.landing.docs}</ButtonLink>
          </div>
        </div>
        <Merge />
      </section>
      <section className={styles.promises} aria-label={text.landing.promises}>
        {text.landing.cards.map((card) => (
          <article key={card.title}>
            <Icon name={card.icon} size={20} />
            <h2>{card.title}</h2>
            <p>{card.about}</p>
          </article>
        ))}
      </section>
      <section className={styles.start}>
        <h2>{text.landing.start}</h2>
        <ol>
          {text.landing.steps(location.origin).map((step) => (
            <li key={step.title}>
              <div>
                <h3>{step.title}</h3>
                <p>{step.about}</p>
              </div>
              <Command lines={step.lines} />
            </li>
          ))}
        </ol>
        <p className={styles.more}>
          <Link to="/docs/life-of-an-edit">{text.landing.more}</Link>
        </p>
      </section>
    </div>
  );
}

/** Asked once for each visit of the page. */
function RelayState() {
  const ready = useQuery({
    queryKey: ["public", "ready"],
    queryFn: () => read(relay.GET("/readyz")),
    retry: false,
    gcTime: 0,
  });
  const state = ready.isPending ? "none" : ready.isError ? "bad" : "good";
  const words = { none: text.landing.relay.asked, bad: text.landing.relay.unready, good: text.landing.relay.ready }[
    state
  ];
  return (
    <p className={styles.state} role="status">
      <Dot state={state} /> {words}
      <code>{location.host}</code>
    </p>
  );
}
