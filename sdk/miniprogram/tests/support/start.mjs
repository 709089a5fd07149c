import { afterEach, beforeEach } from "node:test";
import { Runtime } from "./runtime.mjs";
import { Server } from "./server.mjs";

/** A server for each test of the file. */
export function serverForEach() {
  const here = {};
  beforeEach(async () => (here.server = await Server.start()));
  afterEach(() => here.server.stop());
  return here;
}

/** A client without the automatic events, so that counts are the test's own. */
export function start(server, platform = "wx", options = {}, more = {}) {
  const runtime = new Runtime(platform, server, more);
  runtime.init({ automatic: false, ...options });
  return runtime;
}
