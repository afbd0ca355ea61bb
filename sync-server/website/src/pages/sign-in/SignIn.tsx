// Signing in by a link that holds a code after `#`. The code leaves the address bar at once: it must be in no history,
// and in no address that somebody copies.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, type SyntheticEvent } from "react";
import { useNavigate } from "react-router";

import { signIn } from "../../api/account.ts";
import { live } from "../../api/live.ts";
import { forget, sessionQuery, useSession } from "../../app/session.ts";
import { text } from "../../text.ts";
import { Button, ButtonLink } from "../../ui/Button.tsx";
import { Command } from "../../ui/Command.tsx";
import { Page, Panel } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import ui from "../../ui/ui.module.css";
import styles from "./SignIn.module.css";

export default function SignIn() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { session } = useSession();
  const [link, setLink] = useState("");
  const attempt = useMutation({
    mutationFn: signIn,
    onSuccess: (session) => {
      // Whoever was signed in before may have been somebody else.
      forget(client);
      live.set("connecting");
      client.setQueryData(sessionQuery.queryKey, session);
      void navigate("/vault", { replace: true });
    },
  });
  const { mutate } = attempt;

  // Effects run twice in development; a code works once.
  const isTaken = useRef(false);
  useEffect(() => {
    const code = location.hash.slice(1);
    if (code === "" || isTaken.current) return;
    isTaken.current = true;
    history.replaceState(history.state, "", location.pathname);
    mutate(code);
  }, [mutate]);

  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    mutate(codeIn(link));
  };
  return (
    <div className={styles.narrow}>
      <Page title={text.signIn.title} about={attempt.isPending ? text.signIn.working : text.signIn.about}>
        {attempt.error && <ProblemNote error={attempt.error} />}
        {session && (
          <Panel title={text.signIn.already(session.account.name)}>
            <div className={styles.panel}>
              <ButtonLink look="primary" to="/vault">
                {text.landing.open}
              </ButtonLink>
            </div>
          </Panel>
        )}
        <section className={styles.step}>
          <h2>{text.signIn.ask}</h2>
          <p>{text.signIn.askAbout}</p>
          <Command lines={["sync-server account link NAME"]} />
        </section>
        <form className={styles.step} onSubmit={submit}>
          <h2>
            <label htmlFor="link">{text.signIn.paste}</label>
          </h2>
          <p id="link-about">{text.signIn.pasteAbout}</p>
          <div className={styles.row}>
            <input
              id="link"
              className={ui.input}
              aria-describedby="link-about"
              autoComplete="off"
              spellCheck={false}
              placeholder={`${location.origin}/sign-in#…`}
              value={link}
              onChange={(event) => setLink(event.target.value)}
              required
            />
            <Button type="submit" look="primary" disabled={attempt.isPending}>
              {text.nav.signIn}
            </Button>
          </div>
        </form>
      </Page>
    </div>
  );
}

/** The code in a link, or what was given if it is the code itself. */
export function codeIn(link: string): string {
  return link.trim().split("#").at(-1) ?? "";
}
