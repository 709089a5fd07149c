// A mini-program's runtime: its own globals, without those of Node or a browser, the framework
// that calls App and Page, a clock that goes as the test says, and a real network.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { MemoryStorage } from "./storage.mjs";
import { platforms } from "./platforms.mjs";

/** Where the built package lies. */
export const DIST = process.env.SUANPAN_SDK_DIST ?? join(import.meta.dirname, "../../dist");

export class Runtime {
  /** What the program printed. */
  said = [];
  /** The longest time, in storage writes, that one turn of the program took. */
  writesInTurnMax = 0;

  #now = Date.UTC(2026, 10, 22, 8);
  /** What the device's clock shows beside the true time. */
  #clockOff = 0;
  #timers = new Map();
  #timer = 0;
  #requests = 0;

  /**
   * @param platform its global's name, such as wx
   * @param server told about to wait for requests under way
   * @param storage what an earlier runtime left
   */
  constructor(platform, server, { storage = new MemoryStorage(), globals = {} } = {}) {
    this.server = server;
    this.storage = storage;
    this.platform = platform;
    const print = (...words) => this.said.push(words.map(String).join(" "));
    this.context = createContext({
      console: { log: print, warn: print, error: print },
      setTimeout: (call, afterMs = 0, ...given) => {
        this.#timers.set(++this.#timer, { at: this.#now + Math.max(1, Math.ceil(afterMs)), call: () => call(...given) });
        return this.#timer;
      },
      clearTimeout: (timer) => this.#timers.delete(timer),
      App: (definition) => (this.app = definition),
      Page: (definition) => (this.pageDefinition = definition),
      Component: (definition) => (this.componentDefinition = definition),
      ...globals,
    });
    this.context.nowMs = () => this.#now + this.#clockOff;
    runInContext("Date.now = nowMs", this.context);
    this.api = platforms[platform](this);
    this.context[platform] = this.api;
  }

  /** Loads the built package anew. */
  load() {
    const file = join(DIST, `${this.platform}.js`);
    const load = runInContext(`(function (exports) {${readFileSync(file, "utf8")}\n})`, this.context, { filename: file });
    this.exports = {};
    load(this.exports);
    return this.exports;
  }

  /** Loads it, and begins. */
  init(options = {}) {
    this.suanpan = this.load().init({ host: this.server.url, key: this.server.key, ...options });
    return this.suanpan;
  }

  run(source) {
    return runInContext(source, this.context);
  }

  get now() {
    return this.#now;
  }

  /** Sets the device's clock forward, or back. */
  setClock(byMs) {
    this.#clockOff += byMs;
  }

  /** The stub's requests tell when they begin; what this gives tells when one ended, once. */
  beginRequest() {
    this.#requests += 1;
    let open = true;
    return () => {
      if (!open) return false;
      open = false;
      this.#requests -= 1;
      return true;
    };
  }

  /** Lets so much time pass: timers fire in their order, requests are answered at once. */
  async pass(ms) {
    const end = this.#now + ms;
    for (;;) {
      await this.#requestsEnd();
      const [timer, next] = [...this.#timers].reduce(earlier, [0, { at: Infinity }]);
      if (next.at > end) break;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, next.at);
      const { writes } = this.storage;
      next.call();
      this.writesInTurnMax = Math.max(this.writesInTurnMax, this.storage.writes - writes);
    }
    this.#now = end;
  }

  /** Until nothing waits to be sent, for at most a day of the program's time. */
  async drain() {
    await this.pass(10_000);
    for (let hours = 0; hours < 24 && this.suanpan.status().queued; hours++) await this.pass(3_600_000);
  }

  async #requestsEnd() {
    do {
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#requests > this.server.hanging);
  }

  /** The framework starts the program: first its app, then its first page. */
  launch(entry = { path: "pages/home", query: {}, scene: 1001 }) {
    this.app.onLaunch?.(entry);
    this.app.onShow?.(entry);
  }

  /** The framework opens a page by a definition. */
  open(definition, route, query = {}) {
    const page = Object.assign(Object.create(definition), { route });
    page.onLoad?.(query);
    page.onShow?.();
    page.onReady?.();
    return page;
  }
}

function earlier(one, other) {
  return other[1].at < one[1].at ? other : one;
}
