// The built package against a real Suanpan: what was tracked is what can be asked about.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "../support/browser.mjs";
import { Proxy } from "../support/proxy.mjs";
import { DIST, Runtime } from "../support/runtime.mjs";
import { Server } from "../support/server.mjs";
import { realServer } from "./server.mjs";

const NAMES = { wx: "wechat", jd: "jd", my: "alipay", tt: "douyin", swan: "baidu" };
const EVENTS = 230;
/** Names of this run's events, so that a server may be used more than once. */
const run = randomBytes(4).toString("hex");

let real;
before(async () => (real = await realServer()));
after(() => real.stop());

function start(platform, server, options = {}) {
  const runtime = new Runtime(platform, server);
  runtime.setClock(Date.now() - runtime.now);
  runtime.init({ automatic: false, ...options });
  return runtime;
}

/** Events and people of a name, by group. */
async function asked(event, more) {
  const { series } = await real.ask(event, more);
  return Object.fromEntries(series.map(({ group, total }) => [group.join(), total]));
}

/** The same, when all that was reported so far is stored: a later event is. */
async function totals(event, expected) {
  await real.counted(event, expected);
  const last = `last ${run} ${randomBytes(4).toString("hex")}`;
  const marker = start("wx", real);
  marker.suanpan.track(last);
  await marker.drain();
  await real.counted(last, 1);
  return asked(event);
}

for (const [platform, name] of Object.entries(NAMES)) {
  test(`${platform}: every event arrives once, with its person, platform and values`, async () => {
    const event = `${name} ${run} 购买 🍵`;
    const runtime = start(platform, real, { appVersion: "3.2.1" });
    runtime.context.suanpan = runtime.suanpan;
    runtime.suanpan.login("u-17");
    runtime.run(`for (let n = 0; n < ${EVENTS}; n++) suanpan.track("${event}", {
      n, even: n % 2 === 0, 城市: n % 2 ? "上海" : "São Paulo 🌆", price: n / 4, at: new Date(), nothing: null,
      list: [1, { sku: "A-" + n }], big: 12345678901234567890n, half: "\\ud83c", nan: NaN, nested: { a: { b: { c: n } } },
    })`);
    await runtime.drain();
    assert.equal(runtime.suanpan.status().queued, 0);
    assert.deepEqual(await totals(event, EVENTS), { "": [EVENTS, 1] });
    const by = (attribute, type) => asked(event, { breakdown: [{ attribute, type }] });
    assert.deepEqual(await by("城市", "string"), { 上海: [EVENTS / 2, 1], "São Paulo 🌆": [EVENTS / 2, 1] });
    assert.deepEqual(await by("platform"), { [name]: [EVENTS, 1] });
    assert.deepEqual(await by("user_id"), { "u-17": [EVENTS, 1] });
    assert.deepEqual(await by("app_version"), { "3.2.1": [EVENTS, 1] });
    assert.deepEqual(await by("big", "string"), { "12345678901234567890": [EVENTS, 1] });
  });

  test(`${platform}: through a network that fails, every event arrives once`, async () => {
    const event = `faults ${name} ${run}`;
    const proxy = await Proxy.to(real);
    proxy.faults = ["cut_before", "cut_after", 503, "cut_after", undefined, 429, "cut_after", undefined, 502, "cut_before"];
    const runtime = start(platform, proxy);
    for (let n = 0; n < EVENTS; n++) runtime.suanpan.track(event, { n });
    await runtime.drain();
    await proxy.stop();
    assert.equal(runtime.suanpan.status().queued, 0);
    assert.deepEqual(await totals(event, EVENTS), { "": [EVENTS, 1] });
  });
}

test("whoever logs in is linked to the anonymous id, and to the platform's ids", async () => {
  const runtime = start("wx", real);
  const user = `u ${run}`;
  runtime.suanpan.track("before");
  runtime.suanpan.login(user);
  runtime.suanpan.identify({ openid: `o ${run}`, unionid: `un ${run}` });
  await runtime.drain();
  const links = await real.until(async () => {
    const links = await real.get(`people/${encodeURIComponent(user)}/links`);
    return links.length === 3 && links;
  });
  const expected = [runtime.suanpan.status().deviceId, `o ${run}`, `un ${run}`].map((id) => [id, user]);
  assert.deepEqual(links.map(({ from_id, to_id }) => [from_id, to_id]).sort(), expected.sort());
});

test("a wrong clock is corrected", async () => {
  const event = `clock ${run}`;
  const runtime = start("wx", real, { debug: true });
  runtime.setClock(-90 * 86_400_000);
  runtime.suanpan.track(event);
  await runtime.drain();
  assert.ok(runtime.said.some((line) => line.includes(event) && line.includes("clock_corrected")), runtime.said.join("\n"));
  assert.deepEqual(await totals(event, 1), { "": [1, 1] });
});

test("debug mode prints why an event was rejected", async () => {
  const runtime = start("wx", real, { debug: true });
  runtime.suanpan.track("");
  await runtime.drain();
  assert.ok(runtime.said.some((line) => /"rejected".*"missing".*"event"/.test(line)), runtime.said.join("\n"));
});

test("a web page of another origin: packed, and by its last request when it goes away", async () => {
  const [event, late] = [`web ${run}`, `late ${run}`];
  const site = await Server.start();
  const browser = await launch();
  try {
    site.pages.set("/sdk.js", ["text/javascript", readFileSync(join(DIST, "browser.global.js"), "utf8")]);
    const options = JSON.stringify({ host: real.url, key: real.key });
    site.pages.set("/", ["text/html", `<!doctype html><script src="/sdk.js"></script><script>window.client = suanpan.init(${options})</script>`]);
    site.pages.set("/elsewhere", ["text/html", "<!doctype html>elsewhere"]);
    const tab = await browser.newPage();
    const headers = [];
    tab.on("request", (request) => headers.push(request.headers()));
    await tab.goto(site.url);
    await tab.evaluate(([event, count]) => {
      for (let n = 0; n < count; n++) client.track(event, { n, 城市: "上海" });
    }, [event, EVENTS]);
    await tab.waitForFunction(() => client.status().queued === 0);
    assert.ok(headers.some((sent) => sent["content-encoding"] === "gzip"));
    await tab.evaluate((late) => client.track(late), late);
    // A browser gives a tab that is closed little time for its last words; a page that is left it waits for.
    await tab.goto(`${site.url}/elsewhere`);
    assert.deepEqual(await totals(event, EVENTS), { "": [EVENTS, 1] });
    assert.deepEqual(await totals(late, 1), { "": [1, 1] });
  } finally {
    await browser.close();
    await site.stop();
  }
});
