// A real Suanpan with an app of its own: the binary that $SUANPAN_BIN names, started here, or the
// one that already serves at $SUANPAN_URL, by $SUANPAN_KEY, $SUANPAN_READ_KEY and $SUANPAN_APP.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const APP = "mini";
/** Far more than storing takes: a test that waits longer would wait for ever. */
const STORED_MS_MAX = 60_000;

export async function realServer() {
  const { SUANPAN_URL, SUANPAN_KEY, SUANPAN_READ_KEY, SUANPAN_APP } = process.env;
  if (SUANPAN_URL) {
    return new RealServer({ url: SUANPAN_URL, key: SUANPAN_KEY, readKey: SUANPAN_READ_KEY, app: SUANPAN_APP }, async () => {});
  }
  const folder = mkdtempSync(join(tmpdir(), "suanpan-sdk-server-"));
  const data = join(folder, "data");
  const child = spawn(process.env.SUANPAN_BIN, ["serve", "--listen", "127.0.0.1:0", "--data-dir", data], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  // However the test ends, its server does.
  process.on("exit", () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => process.exit(1));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const url = await addressOf(child, ended);
  const run = (...given) =>
    execFileSync(process.env.SUANPAN_BIN, [...given, "--url", url, "--data-dir", data], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  run("apps", "create", APP);
  const keyOf = (kind) => run("keys", "create", kind, "--app", APP).trim().split(/\s+/).at(-1);
  return new RealServer({ url, key: keyOf("write"), readKey: keyOf("read"), app: APP }, stop);
}

async function addressOf(child, ended) {
  const said = [];
  const address = new Promise((resolve) =>
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      const found = /listens on (http:\S+?);?(\s|$)/.exec(line);
      if (found) resolve(found[1]);
    }),
  );
  const url = await Promise.race([address, ended]);
  if (typeof url !== "string") throw new Error(`the server does not start:\n${said.join("\n")}`);
  return url;
}

class RealServer {
  /** As the tests' own server has it. */
  hanging = 0;

  constructor({ url, key, readKey, app }, stop) {
    Object.assign(this, { url, key, readKey, app, stop });
  }

  /** Asks until the events of this name are as many as expected, or more. */
  counted(event, expected) {
    return this.until(async () => {
      const { series } = await this.ask(event);
      return series.length > 0 && series[0].total[0] >= expected;
    });
  }

  /** Waits until something is so, and says what was so instead if that takes too long. */
  async until(what) {
    const deadline = Date.now() + STORED_MS_MAX;
    for (;;) {
      const found = await what();
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`not so within ${STORED_MS_MAX} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  ask(event, more) {
    const measures = [{ measure: "events", event }, { measure: "people", event }];
    const rule = { version: 1, kind: "trend", measures, range: { last: 2, unit: "day" }, ...more };
    return this.get("ask", { method: "POST", body: JSON.stringify(rule) });
  }

  async get(path, more) {
    const headers = { Authorization: `Bearer ${this.readKey}`, "Content-Type": "application/json" };
    const reply = await fetch(`${this.url}/api/apps/${this.app}/${path}`, { headers, ...more });
    if (!reply.ok) throw new Error(`${reply.status}: ${await reply.text()}`);
    return reply.json();
  }
}
