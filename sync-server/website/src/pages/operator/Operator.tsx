// How the relay is, for whoever runs it: health first, then numbers, then how they moved over the last day.

import { useQuery } from "@tanstack/react-query";
import { useState, type SyntheticEvent } from "react";
import { useNavigate } from "react-router";

import { overviewQuery, type Overview } from "../../api/operator.ts";
import { text } from "../../text.ts";
import { Button } from "../../ui/Button.tsx";
import { Dot, Page, Panel, Skeleton, Time } from "../../ui/parts.tsx";
import { ProblemNote } from "../../ui/ProblemNote.tsx";
import ui from "../../ui/ui.module.css";
import { Chart } from "./Chart.tsx";
import { linked, Named } from "./Named.tsx";
import styles from "./operator.module.css";

const numbers = new Intl.NumberFormat();
const counted = (value: number): string => numbers.format(value);
const { cards } = text.operator;

export default function Operator() {
  const { data, error, isFetching, refetch } = useQuery(overviewQuery);
  return (
    <Page
      title={text.operator.title}
      about={text.operator.about}
      actions={
        <Button icon="reset" disabled={isFetching} onClick={() => void refetch()}>
          {text.operator.again}
        </Button>
      }
    >
      {error && <ProblemNote error={error} onRetry={() => void refetch()} />}
      {data ? <Shown overview={data} /> : !error && <Skeleton />}
    </Page>
  );
}

function Shown({ overview }: { overview: Overview }) {
  return (
    <>
      <Health overview={overview} />
      <Panel title={text.operator.numbers}>
        <dl className={styles.numbers}>
          {numbersOf(overview).map(([name, value, isBad]) => (
            <div key={name} data-bad={isBad}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </Panel>
      <Panel title={text.operator.charts}>
        {overview.samples.length < 2 ? (
          <p className={styles.words}>{text.operator.tooFew(overview.sample_seconds)}</p>
        ) : (
          <div className={styles.charts}>
            <Chart name={cards.entries} samples={overview.samples} of={(sample) => sample.entries} shown={counted} />
            <Chart name={cards.file} samples={overview.samples} of={(sample) => sample.file_bytes} shown={text.bytes} />
            <Chart name={cards.sockets} samples={overview.samples} of={(sample) => sample.sockets} shown={counted} />
            <Chart
              name={cards.streams}
              samples={overview.samples}
              of={(sample) => sample.event_streams}
              shown={counted}
            />
            <Chart name={cards.waiting} samples={overview.samples} of={(sample) => sample.waiting} shown={counted} />
            <Chart
              name={cards.memory}
              samples={overview.samples}
              of={(sample) => sample.resident_bytes}
              shown={text.bytes}
            />
          </div>
        )}
      </Panel>
      <Lists overview={overview} />
      <ExplainForm />
    </>
  );
}

function Lists({ overview: { held, check, repairs, quarantine } }: { overview: Overview }) {
  const { lists } = text.operator;
  return (
    <>
      <Named words={lists.held} first={held.first} count={held.documents} name={linked}>
        {({ reason }) => reason}
      </Named>
      <Named words={lists.slow} first={check.slow_first} count={check.slow} name={linked}>
        {({ entries, checking_seconds }) => lists.slow.waits(entries, checking_seconds)}
      </Named>
      <Named words={lists.repairs} first={repairs.first} count={repairs.done} name={linked}>
        {({ excluded, time }) => (
          <>
            {lists.repairs.excluded(excluded)} <Time at={time} />
          </>
        )}
      </Named>
      <Named
        words={lists.quarantine}
        first={quarantine.first}
        count={quarantine.accounts}
        name={({ account }) => account}
      >
        {({ changes, bytes }) => lists.quarantine.kept(changes, text.bytes(bytes))}
      </Named>
    </>
  );
}

function Health({ overview }: { overview: Overview }) {
  const { takes_edits, why_not, findings, version, started_at } = overview;
  const isSound = takes_edits && (findings ?? 0) === 0;
  return (
    <section className={styles.health}>
      <h2>
        <Dot state={isSound ? "good" : takes_edits ? "warn" : "bad"} />
        {takes_edits ? text.operator.takesEdits : text.operator.takesNone}
      </h2>
      {why_not !== null && <p>{why_not}</p>}
      <p>
        {findings === null
          ? text.operator.unlooked
          : findings === 0
            ? text.operator.sound
            : text.operator.findings(findings)}
      </p>
      <p>{text.operator.version(version, new Date(started_at).toLocaleString())}</p>
    </section>
  );
}

function numbersOf(overview: Overview): [name: string, value: string, isBad: boolean][] {
  const { spaces, disk, resident_bytes } = overview;
  return [
    [cards.sockets, counted(overview.sockets), false],
    [cards.streams, counted(overview.event_streams), false],
    [cards.accounts, counted(overview.accounts), false],
    [cards.devices, counted(overview.devices), false],
    [cards.spaces, counted(spaces.personal + spaces.team + spaces.catalog), false],
    [cards.documents, counted(overview.documents), false],
    [cards.entries, counted(overview.log.entries), false],
    [cards.file, text.bytes(overview.log.file_bytes), false],
    [
      cards.free,
      disk === null ? "–" : text.bytes(disk.free_bytes),
      disk !== null && disk.free_bytes < disk.total_bytes / 20,
    ],
    [cards.memory, resident_bytes === null ? "–" : text.bytes(resident_bytes), false],
    [cards.waiting, counted(overview.check.waiting), false],
    [cards.slow, counted(overview.check.slow), overview.check.slow > 0],
    [cards.intake, counted(overview.intake.batches), false],
    [cards.held, counted(overview.held.documents), overview.held.documents > 0],
    [cards.refused, counted(overview.quarantine.changes), false],
    [cards.refusedBytes, text.bytes(overview.quarantine.bytes), false],
  ];
}

function ExplainForm() {
  const navigate = useNavigate();
  const [space, setSpace] = useState("");
  const [document, setDocument] = useState("");
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void navigate(`/operator/${encodeURIComponent(space.trim())}/${encodeURIComponent(document.trim())}`);
  };
  return (
    <Panel title={text.operator.explain}>
      <form className={styles.explain} onSubmit={submit}>
        <p>{text.operator.explainAbout}</p>
        <label>
          {text.operator.space}
          <input className={ui.input} value={space} onChange={(event) => setSpace(event.target.value)} required />
        </label>
        <label>
          {text.operator.document}
          <input className={ui.input} value={document} onChange={(event) => setDocument(event.target.value)} required />
        </label>
        <Button type="submit">{text.operator.look}</Button>
      </form>
    </Panel>
  );
}
