// A relay, vaults and a browser for one file of tests, all real: SYNC_SERVER and VAULT name the programs, CHROMIUM the
// browser (/usr/bin/chromium unless it is set). Nothing is intercepted.

import { execFile, spawn, type ChildProcess } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { expect } from "vitest";

const run = promisify(execFile);

/** Hosts that Chromium asks by itself are no part of the site. */
const browserArguments = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface Options {
  colorScheme?: "light" | "dark";
  width?: number;
}

/** What the relay says meanwhile, in the directory of a world. */
const LOG = "relay.log";

export class World {
  private readonly contexts: Watched[] = [];

  private constructor(
    readonly origin: string,
    private readonly directory: string,
    private readonly relay: ChildProcess,
    private readonly browser: Browser,
  ) {}

  static async begin(): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), "symphony-vault-browser-"));
    const data = join(directory, "relay");
    await run(program("SYNC_SERVER"), ["account", "create", "ada", "--data", data]);
    const token = await run(program("SYNC_SERVER"), ["token", "create", "--account", "ada", "--data", data]);
    writeFileSync(join(directory, "token"), token.stdout);
    const relay = spawn(program("SYNC_SERVER"), ["serve", "--data", data, "--listen", "127.0.0.1:0"], {
      stdio: ["ignore", "pipe", openSync(join(directory, LOG), "w")],
    });
    const origin = await listening(relay);
    const browser = await chromium.launch({
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      args: browserArguments,
    });
    return new World(origin, directory, relay, browser);
  }

  async end(): Promise<void> {
    for (const { context } of this.contexts) await context.close();
    await this.browser.close();
    this.relay.kill("SIGTERM");
    await new Promise((resolve) => this.relay.once("exit", resolve));
    const faults = readFileSync(join(this.directory, LOG), "utf8").match(/^.* ERROR .*$/gm);
    rmSync(this.directory, { recursive: true });
    if (faults) throw new Error(`the relay was upset:\n${faults.join("\n")}`);
  }

  async relayCommand(...words: string[]): Promise<string> {
    return (await run(program("SYNC_SERVER"), [...words, "--data", join(this.directory, "relay")])).stdout;
  }

  /** Changes the file of the relay past it. */
  async runSql(statement: string): Promise<void> {
    await runSql(join(this.directory, "relay", "relay.sqlite"), statement);
  }

  /** A vault by its name, logged in. */
  async vault(name: string): Promise<Vault> {
    const vault = new Vault(join(this.directory, name));
    await vault.run("init");
    await vault.run("login", "--relay", this.origin, "--token-file", join(this.directory, "token"));
    return vault;
  }

  /** A file in the world's directory, for commands that read one. */
  file(name: string, content: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  /** The address of a new sign-in link. */
  async link(): Promise<string> {
    const link = new URL((await this.relayCommand("account", "link", "ada")).trim());
    return `${this.origin}/sign-in${link.hash}`;
  }

  /** A browser of its own, with cookies and storage of its own, that nobody is signed in with. */
  async visitor({ colorScheme = "light", width = 1440 }: Options = {}): Promise<Watched> {
    const context = await this.browser.newContext({
      colorScheme,
      viewport: { width, height: 900 },
      baseURL: this.origin,
    });
    const watched = new Watched(context, this.origin);
    this.contexts.push(watched);
    return watched;
  }

  async signedIn(options?: Options): Promise<Watched> {
    const visitor = await this.visitor(options);
    const page = await visitor.open(await this.link());
    await page.waitForURL("**/vault");
    await page.close();
    return visitor;
  }
}

export class Vault {
  constructor(private readonly directory: string) {}

  async run(...words: string[]): Promise<string> {
    return (await run(program("VAULT"), words, { env: { ...process.env, VAULT_DIR: this.directory } })).stdout;
  }

  /** Stays connected until it is killed. */
  watch(): ChildProcess {
    return spawn(program("VAULT"), ["sync", "--watch"], {
      env: { ...process.env, VAULT_DIR: this.directory },
      stdio: "ignore",
    });
  }

  /** Copies its files, as a backup of the machine does; what is given puts them back. */
  keepCopy(): () => void {
    const copy = `${this.directory} copy`;
    copyFiles(this.directory, copy);
    return () => copyFiles(copy, this.directory);
  }

  /** Changes its file past the vault. */
  async runSql(statement: string): Promise<void> {
    await runSql(join(this.directory, "vault.sqlite"), statement);
  }
}

/** A browser whose mistakes are remembered: errors of pages, and requests to anybody but the relay. */
export class Watched {
  readonly faults: string[] = [];
  requests = 0;

  constructor(
    readonly context: BrowserContext,
    origin: string,
  ) {
    context.on("request", (request) => {
      this.requests += 1;
      if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith("data:")) {
        this.faults.push(`asked another origin: ${request.url()}`);
      }
    });
    context.on("console", (message) => {
      if (message.type() === "error") this.faults.push(`${message.page()?.url() ?? ""}: ${message.text()}`);
    });
    context.on("weberror", (error) => this.faults.push(error.error().message));
  }

  async open(path: string): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(path);
    return page;
  }

  /** Nothing went wrong since the last time. What the browser itself says of refused requests may be expected. */
  expectNoFaults(expected = /^$/): void {
    expect(this.faults.splice(0).filter((fault) => !expected.test(fault))).toEqual([]);
  }
}

/** Waits until the page says that it is live. */
export async function isLive(page: Page): Promise<void> {
  await page
    .getByText(/^Connection: Live$/)
    .first()
    .waitFor();
}

/** By the SQLite that comes with Python. */
async function runSql(file: string, statement: string): Promise<void> {
  const script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";
  await run("python3", ["-c", script, file, statement]);
}

/** The files of a directory, in place of those of another one; not what is in directories below it. */
function copyFiles(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isFile()) copyFileSync(join(from, entry.name), join(to, entry.name));
  }
}

function program(variable: "SYNC_SERVER" | "VAULT"): string {
  const path = process.env[variable];
  if (path === undefined) throw new Error(`${variable} is not set; it names the program that is to be tested`);
  return path;
}

/** The address that a relay prints once it listens. */
async function listening(relay: ChildProcess): Promise<string> {
  if (relay.stdout === null) throw new Error("the relay has no standard output");
  for await (const line of createInterface({ input: relay.stdout })) {
    const origin = /^listening on (http:\S+)/.exec(line)?.[1];
    if (origin !== undefined) return origin;
  }
  throw new Error("the relay ended before it listened");
}
