// A real Suanpan with an app of its own: the binary that $SUANPAN_BIN names, started here, or the
// one that already serves at $SUANPAN_URL, by $SUANPAN_KEY, $SUANPAN_READ_KEY and $SUANPAN_APP.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const APP = "mini";

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
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const url = await addressOf(child, ended);
  const run = (...given) =>
    execFileSync(process.env.SUANPAN_BIN, [...given, "--url", url, "--data-dir", data], { encoding: "utf8", env: { PATH: process.env.PATH } });
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

  /** Asks until the events of this name are as many as expected; gives the answer. */
  async counted(event, expected, more = {}) {
    for (;;) {
      const answer = await this.ask(event, more);
      const [total] = answer.series.map((series) => series.total);
      if (total >= expected) return answer;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async ask(event, more) {
    const rule = {
      version: 1,
      kind: "trend",
      measures: [{ measure: "events", event }, { measure: "people", event }],
      range: { last: 2, unit: "day" },
      ...more,
    };
    const headers = { Authorization: `Bearer ${this.readKey}`, "Content-Type": "application/json" };
    const reply = await fetch(`${this.url}/api/apps/${this.app}/ask`, { method: "POST", headers, body: JSON.stringify(rule) });
    if (!reply.ok) throw new Error(`${reply.status}: ${await reply.text()}`);
    return reply.json();
  }
}
