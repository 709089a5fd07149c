// A program that is killed by kill -9 in the middle of a flush, and started again.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, test } from "node:test";
import { serverForEach } from "./support/start.mjs";

const here = serverForEach();
const EVENTS = 300;
const programs = new Set();
let folder;

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "suanpan-sdk-"))));
afterEach(() => {
  programs.forEach((program) => program.kill("SIGKILL"));
  rmSync(folder, { recursive: true });
});

/** Starts the program on the folder; `heard(words)` settles when it prints a line that begins so, `ended` when it has ended. */
function program(from, count) {
  const { url, key } = here.server;
  const script = join(import.meta.dirname, "support/program.mjs");
  const child = spawn(process.execPath, [script, folder, url, key, from, count], { stdio: ["ignore", "pipe", "inherit"] });
  programs.add(child);
  const lines = [];
  const waiting = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    waiting.filter(({ words }) => line.startsWith(words)).forEach(({ resolve }) => resolve());
  });
  const ended = new Promise((resolve) =>
    child.on("exit", () => {
      programs.delete(child);
      resolve();
    }),
  );
  const heard = async (words) => {
    if (!lines.some((line) => line.startsWith(words))) await new Promise((resolve) => waiting.push({ words, resolve }));
  };
  return { child, ended, heard };
}

/** The next program is killed at its `at`th request, which meets `fault` first. */
function killAt(at, fault, running) {
  let requests = 0;
  here.server.onRequest = () => {
    if (++requests !== at) return;
    if (fault) here.server.faults.unshift(fault);
    setImmediate(() => running.child.kill("SIGKILL"));
  };
  return running.ended;
}

/** Until all events are in the program's storage, the server has no time for it. */
async function withAllStored() {
  here.server.onRequest = () => here.server.faults.unshift(503);
  const running = program(0, EVENTS);
  await running.heard(`stored ${EVENTS}`);
  return running;
}

function assertEachOnce() {
  const numbers = here.server.stored.map(({ properties }) => properties.n).sort((a, b) => a - b);
  assert.deepEqual(numbers, [...Array(EVENTS).keys()]);
}

const plans = {
  "before the server stored anything": [[1, "hang"]],
  "after the server stored, before it answered": [[1, "hang_after_storing"]],
  "while the answer is on its way": [[2, undefined]],
  "in the third batch, and then again and again": [[3, "hang_after_storing"], [1, "hang"], [2, "hang_after_storing"], [1, undefined]],
};

for (const [when, kills] of Object.entries(plans)) {
  test(`killed ${when}: every event arrives once`, async () => {
    let running = await withAllStored();
    for (const [at, fault] of kills) {
      await killAt(at, fault, running);
      running = program(0, 0);
    }
    here.server.onRequest = () => {};
    await running.heard("empty");
    assertEachOnce();
    running.child.kill("SIGKILL");
    await running.ended;
  });
}

test("killed while it stores: exactly what was in the storage arrives, once", async () => {
  for (let run = 0; run < 4; run++) {
    here.server.onRequest = () => here.server.faults.unshift("hang");
    const running = program(run * 110, 110);
    // The first chunk is in the storage, perhaps more.
    await running.heard("stored");
    running.child.kill("SIGKILL");
    await running.ended;
  }
  const chunks = readdirSync(folder).filter((name) => /\.q\.\d+$/.test(name));
  const stored = chunks.flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n"));
  const expected = stored.map((event) => JSON.parse(event).properties.n).sort((a, b) => a - b);
  assert.ok(expected.length >= 4 * 50);

  here.server.onRequest = () => {};
  const last = program(0, 0);
  await last.heard("empty");
  last.child.kill("SIGKILL");
  await last.ended;
  assert.deepEqual(here.server.stored.map(({ properties }) => properties.n).sort((a, b) => a - b), expected);
});
