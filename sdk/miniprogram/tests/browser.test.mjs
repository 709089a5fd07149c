// The web build in Chromium. Pages and events have different origins, as they mostly do.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch } from "./support/browser.mjs";
import { DIST } from "./support/runtime.mjs";
import { Server } from "./support/server.mjs";

let browser;
let server;
let site;
let context;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  [server, site] = [await Server.start(), await Server.start()];
  site.pages.set("/sdk.js", ["text/javascript", readFileSync(join(DIST, "browser.global.js"), "utf8")]);
  site.pages.set("/sdk.mjs", ["text/javascript", readFileSync(join(DIST, "browser.mjs"), "utf8")]);
  site.pages.set("/api/cart", ["application/json", "{}"]);
  site.pages.set("/elsewhere", ["text/html", "<!doctype html>elsewhere"]);
  page();
  context = await browser.newContext();
});
afterEach(async () => {
  await context.close();
  await Promise.all([server.stop(), site.stop()]);
});

/** What the site's pages are: the client, begun, then this. */
function page(body = "", options = {}) {
  const settings = JSON.stringify({ host: server.url, key: server.key, flushIntervalMs: 100, ...options });
  const text = `<!doctype html><title>Shop</title><script src="/sdk.js"></script>
    <script>window.client = suanpan.init(${settings})</script><body>${body}`;
  for (const path of ["/", "/next", "/deep/page"]) site.pages.set(path, ["text/html; charset=utf-8", text]);
}

async function visit(path = "/") {
  const tab = await context.newPage();
  await tab.goto(site.url + path);
  return tab;
}

/** Waits until something is so; a test that waits in vain is ended by the runner. */
async function until(what) {
  let found;
  while (!(found = await what())) await new Promise((resolve) => setTimeout(resolve, 20));
  return found;
}

const arrived = (name, count = 1) =>
  until(() => server.named(name).length >= count && server.named(name).map(({ properties }) => properties));
const settled = (tab) => until(() => tab.evaluate(() => client.status().queued === 0));

test("a visit: launch, page view, timing, hide; all with who, where and when", async () => {
  const tab = await visit("/?utm_source=ad");
  const [launch] = await arrived("$launch");
  assert.equal(launch.$query, "utm_source=ad");
  const [view] = await arrived("$pageview");
  assert.deepEqual([view.$page_path, view.$page_query, view.$page_title], ["/", "utm_source=ad", "Shop"]);
  const [load] = await arrived("$launch_time");
  assert.ok(load.$duration_ms > 0 && load.$duration_ms >= load.$first_byte_ms);
  const [event] = server.named("$launch");
  assert.equal(event.platform, "web");
  assert.ok(Math.abs(event.time - Date.now()) < 60_000);
  assert.ok(event.device_id && event.session_id);
  assert.equal(view.$screen_width, await tab.evaluate(() => screen.width));
  // A browser gives a tab that is closed little time for its last words; a page that is left it waits for.
  await tab.goto(`${site.url}/elsewhere`);
  assert.ok((await arrived("$page_leave"))[0].$stay_ms >= 0);
  assert.ok((await arrived("$hide"))[0].$duration_ms >= 0);
});

test("pages of one document: pushState, replaceState, back, and routes in the fragment", async () => {
  const tab = await visit();
  await tab.evaluate(() => {
    history.pushState({}, "", "/list?q=tea");
    document.title = "Tea";
  });
  await arrived("$pageview", 2);
  await tab.evaluate(() => history.replaceState({}, "", "/list?q=tea&page=2"));
  await tab.evaluate(() => history.pushState({}, "", "/detail"));
  await arrived("$pageview", 3);
  await tab.goBack();
  await arrived("$pageview", 4);
  await tab.evaluate(() => (location.hash = "#/cart?step=1"));
  const views = await arrived("$pageview", 5);
  assert.deepEqual(
    views.map(({ $page_path, $page_referrer }) => [$page_path, $page_referrer]),
    [["/", undefined], ["/list", "/"], ["/detail", "/list"], ["/list", "/detail"], ["/list#/cart", "/list"]],
  );
  assert.equal(views[1].$page_title, "Tea");
  assert.equal((await arrived("$page_leave", 4)).length, 4);
});

test("a page that a page of the same site led to is no new launch", async () => {
  page(`<a href="/next">next</a>`);
  const tab = await visit();
  await arrived("$pageview");
  await tab.click("a");
  const views = await arrived("$pageview", 2);
  assert.deepEqual([views[1].$page_path, views[1].$page_referrer], ["/next", `${site.url}/`]);
  await settled(tab);
  assert.equal(server.named("$launch").length, 1);
  assert.equal(new Set(server.stored.map(({ session_id }) => session_id)).size, 1);
});

test("taps on marked elements, reaching the bottom", async () => {
  page(`<button id="b1" data-track="buy"><span>Buy</span></button><button>Other</button><div style="height:3000px"></div>`);
  const tab = await visit();
  await tab.click("span");
  await tab.click("text=Other");
  assert.deepEqual((await arrived("$tap")).map(({ $element, $element_id }) => [$element, $element_id]), [["buy", "b1"]]);
  await tab.evaluate(() => scrollTo(0, 1e6));
  await tab.evaluate(() => scrollBy(0, -20));
  await arrived("$reach_bottom");
  await settled(tab);
  assert.equal(server.named("$reach_bottom").length, 1);
  assert.equal(server.named("$tap").length, 1);
});

test("errors and unhandled rejections", async () => {
  const tab = await visit();
  await tab.evaluate(() => setTimeout(() => { throw new TypeError("x is not there"); }));
  await tab.evaluate(() => void Promise.reject(new Error("no money")));
  await tab.evaluate(() => void Promise.reject("a text"));
  const [error] = await arrived("$error");
  assert.equal(error.$message, "x is not there");
  assert.match(error.$stack, /TypeError/);
  assert.deepEqual((await arrived("$unhandled_rejection", 2)).map(({ $message }) => $message), ["no money", "a text"]);
});

test("latency and failures of fetch and XMLHttpRequest, none of our own", async () => {
  const tab = await visit();
  await tab.evaluate(async () => {
    await fetch("/api/cart?token=secret#x", { method: "put" });
    await fetch(new Request("/api/none"));
    await fetch("http://127.0.0.1:1/").catch(() => {});
    await new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("POST", "/api/cart?a=1");
      request.onloadend = resolve;
      request.send("{}");
    });
  });
  const told = await arrived("$request", 4);
  const short = told.map(({ $url, $method, $status }) => [$url.replace(site.url, ""), $method, $status]);
  assert.deepEqual(short, [["/api/cart?token", "PUT", 200], ["/api/none", "GET", 404], ["http://127.0.0.1:1/", "GET", 0], ["/api/cart?a", "POST", 200]]);
  await settled(tab);
  assert.equal(server.named("$request").length, 4);
});

test("large bodies are packed; where packing is refused they are not", async () => {
  const tab = await visit();
  await tab.evaluate(() => { for (let n = 0; n < 30; n++) client.track("e", { n }); });
  await arrived("e", 30);
  assert.ok(server.requests.some(({ headers }) => headers["content-encoding"] === "gzip"));
  server.onRequest = ({ headers }) => { if (headers["content-encoding"]) server.faults.unshift("reset"); };
  await tab.evaluate(() => { for (let n = 30; n < 60; n++) client.track("e", { n }); });
  await arrived("e", 60);
  assert.equal(new Set(server.named("e").map(({ properties }) => properties.n)).size, 60);
});

test("what waits when the page goes away is sent, without a question to the server first", async () => {
  page("", { flushIntervalMs: 60_000 });
  const tab = await visit();
  await settled(tab);
  await tab.evaluate(() => client.track("late"));
  await tab.goto(`${site.url}/elsewhere`);
  await arrived("late");
  assert.ok(server.requests.some(({ byUrl, headers }) => byUrl && headers["content-type"].startsWith("text/plain")));
});

test("without keepalive it goes by sendBeacon, and what both ways carry counts once", async () => {
  await context.addInitScript(() => delete Request.prototype.keepalive);
  page("", { flushIntervalMs: 60_000 });
  const tab = await visit();
  await settled(tab);
  await tab.evaluate(() => client.track("late"));
  await tab.goto(`${site.url}/next`);
  await arrived("late");
  await settled(tab);
  assert.equal(server.named("late").length, 1);
  assert.ok(server.requests.some(({ byUrl }) => byUrl));
});

test("offline: the queue waits, over a reload too, and each event arrives once", async () => {
  const tab = await visit();
  await settled(tab);
  await context.setOffline(true);
  await tab.evaluate(() => { for (let n = 0; n < 70; n++) client.track("e", { n }); });
  await until(() => tab.evaluate(() => Object.keys(localStorage).some((key) => /\.q\..+\.\d+$/.test(key) && localStorage[key].includes('"n":69'))));
  assert.equal(server.named("e").length, 0);
  await context.setOffline(false);
  await tab.reload();
  await arrived("e", 70);
  await settled(tab);
  assert.deepEqual(server.named("e").map(({ properties }) => properties.n).sort((a, b) => a - b), [...Array(70).keys()]);
});

test("a tab that crashes in a flush: the next one sends what it left, once", async () => {
  const tab = await visit();
  await settled(tab);
  server.faults = Array(50).fill("hang_after_storing");
  await tab.evaluate(() => { for (let n = 0; n < 120; n++) client.track("e", { n }); });
  await until(() => tab.evaluate(() => Object.keys(localStorage).filter((key) => /\.q\..+\.\d+$/.test(key)).map((key) => localStorage[key]).join().includes('"n":119')));
  await until(() => server.hanging > 0);
  tab.goto("chrome://crash").catch(() => {});
  await tab.waitForEvent("crash");
  server.faults = [];
  const next = await visit();
  await arrived("e", 120);
  await until(() => next.evaluate(() => !Object.keys(localStorage).some((key) => /\.q\..+\.\d+$/.test(key))));
  assert.equal(server.named("e").length, 120);
  assert.equal(new Set(server.stored.map(({ device_id }) => device_id)).size, 1);
});

test("tabs: one person, one session, each its own queue; opting out in one stops the other", async () => {
  const [one, other] = [await visit(), await visit()];
  await one.evaluate(() => { for (let n = 0; n < 60; n++) client.track("one", { n }); });
  await other.evaluate(() => { for (let n = 0; n < 60; n++) client.track("other", { n }); });
  await one.evaluate(() => client.login("u-1"));
  await until(() => other.evaluate(() => client.status().userId === "u-1"));
  await Promise.all([settled(one), settled(other)]);
  assert.deepEqual([server.named("one").length, server.named("other").length], [60, 60]);
  for (const field of ["device_id", "session_id"]) assert.equal(new Set(server.stored.map((event) => event[field])).size, 1);

  await one.evaluate(() => client.optOut());
  await until(() => other.evaluate(() => !client.status().collecting));
  assert.deepEqual(await other.evaluate(() => Object.keys(localStorage)), ["suanpan"]);
});

test("storage full: it goes on in memory, and says so", async () => {
  const tab = await context.newPage();
  const said = [];
  tab.on("console", (message) => said.push(message.text()));
  page(`<script>
    client.setDebug(true);
    let filling = "x".repeat(1 << 20);
    for (let n = 0; filling; n++) try { localStorage["fill" + n] = filling } catch { filling = filling.slice(0, filling.length >> 1) }
    for (let n = 0; n < 70; n++) client.track("e", { n });
  </script>`);
  await tab.goto(site.url);
  await arrived("e", 70);
  assert.equal(await tab.evaluate(() => client.status().stored), false);
  assert.ok(said.some((line) => line.includes("storage refused")));
});

test("without any storage events are reported all the same", async () => {
  await context.addInitScript(() => Object.defineProperty(window, "localStorage", { get() { throw new Error("denied"); } }));
  const tab = await visit();
  await tab.evaluate(() => client.track("e"));
  await arrived("e");
});

test("10,000 tracks at once: every one accounted for, no frame long blocked by storing", async () => {
  const tab = await visit();
  await settled(tab);
  const writes = await tab.evaluate(() => {
    let count = 0;
    const { setItem } = Storage.prototype;
    Storage.prototype.setItem = function () {
      count += 1;
      return setItem.apply(this, arguments);
    };
    for (let n = 0; n < 10_000; n++) client.track("e", { n });
    return count;
  });
  assert.ok(writes <= 1, `${writes} writes while tracks come`);
  await settled(tab);
  await tab.evaluate(() => client.track("last"));
  const [{ $dropped_before }] = await arrived("last");
  assert.equal(server.named("e").length + $dropped_before, 10_000);
});

test("as an ES module, and with automatic events off, nothing of the page is touched", async () => {
  site.pages.set("/module", ["text/html", `<!doctype html><script type="module">
    const before = [fetch, XMLHttpRequest.prototype.send];
    const { init } = await import("/sdk.mjs");
    window.client = init({ host: "${server.url}", key: "${server.key}", automatic: false, flushIntervalMs: 0 });
    window.same = fetch === before[0] && XMLHttpRequest.prototype.send === before[1];
    client.track("only");
  </script>`]);
  const tab = await visit("/module");
  await arrived("only");
  assert.equal(await tab.evaluate(() => same), true);
  assert.deepEqual(server.stored.map(({ event }) => event), ["only"]);
});
