import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Runtime } from "./support/runtime.mjs";
import { serverForEach } from "./support/start.mjs";

const here = serverForEach();
const PLATFORMS = ["wx", "jd", "my", "tt", "swan"];
const SYSTEM = /^\$(app_version|os|os_version|device_manufacturer|device_model|screen_width|screen_height|locale|host_version|library_version|network)$/;

/** A program that was launched: `source` defines its app and its page. */
function launched(platform, source = "App({}); Page({})", options = {}, prepare = () => {}) {
  const runtime = new Runtime(platform, here.server);
  prepare(runtime);
  runtime.init(options);
  runtime.context.calls = [];
  runtime.run(source);
  runtime.launch();
  return runtime;
}

/** Names and own properties of what arrived, without what stands in every event. */
async function arrived(runtime) {
  await runtime.drain();
  return here.server.stored.map(({ event, properties }) => [
    event,
    Object.fromEntries(Object.entries(properties).filter(([name]) => !SYSTEM.test(name))),
  ]);
}

async function named(runtime, name) {
  return (await arrived(runtime)).filter(([event]) => event === name).map(([, properties]) => properties);
}

const tap = (dataset, more = {}) => ({ type: "tap", currentTarget: { id: "buy-1", dataset }, ...more });

describe("a visit", () => {
  for (const platform of PLATFORMS) {
    test(`${platform}: launch, pages with stay times, hide`, async () => {
      const runtime = launched(platform, "App({}); Page({})", { automatic: { page_render: false, launch_time: false } });
      const home = runtime.open(runtime.pageDefinition, "pages/home", { ad: "7", to: "x" });
      await runtime.pass(3_000);
      home.onHide();
      const detail = runtime.open(runtime.pageDefinition, "pages/detail");
      await runtime.pass(2_000);
      detail.onUnload();
      home.onShow();
      await runtime.pass(1_000);
      home.onHide();
      runtime.app.onHide();
      assert.deepEqual(await arrived(runtime), [
        ["$launch", { $scene: "1001", $path: "pages/home", $query: "" }],
        ["$show", { $scene: "1001", $path: "pages/home", $query: "" }],
        ["$pageview", { $page_path: "pages/home", $page_query: "ad=7&to=x" }],
        ["$page_leave", { $page_path: "pages/home", $stay_ms: 3_000 }],
        ["$pageview", { $page_path: "pages/detail", $page_query: "", $page_referrer: "pages/home" }],
        ["$page_leave", { $page_path: "pages/detail", $stay_ms: 2_000 }],
        ["$pageview", { $page_path: "pages/home", $page_query: "ad=7&to=x", $page_referrer: "pages/detail" }],
        ["$page_leave", { $page_path: "pages/home", $stay_ms: 1_000 }],
        ["$hide", { $page_path: "pages/home", $duration_ms: 6_000 }],
      ]);
    });
  }

  test("hiding stores and sends at once", async () => {
    const runtime = launched("wx");
    await runtime.pass(5_000);
    runtime.suanpan.track("last words");
    runtime.app.onHide();
    assert.ok([...runtime.storage.entries.values()].some((text) => text.includes("last words")));
    await runtime.pass(1);
    assert.equal(here.server.named("last words").length, 1);
    assert.equal(here.server.named("$hide").length, 1);
  });

  test("the wall clock decides about the session of a program that slept", async () => {
    const runtime = launched("wx", undefined, {}, (runtime) => {
      runtime.context.performance = { now: () => 1_000 };
    });
    const { sessionId } = runtime.suanpan.status();
    runtime.app.onHide();
    await runtime.pass(31 * 60_000);
    runtime.app.onShow();
    assert.notEqual(runtime.suanpan.status().sessionId, sessionId);
  });

  test("a component may be a page, and one that is none reports no pages", async () => {
    const source = `App({}); Component({ methods: { onLoad(q) { this.q = q }, onShow() { calls.push("shown") }, helper() { return 7 } } });`;
    const runtime = launched("wx", source, { automatic: { page_render: false, launch_time: false } });
    const { methods } = runtime.componentDefinition;
    runtime.open(methods, "pages/as-component", { a: "1" });
    methods.onShow.call({ is: "components/price" });
    assert.equal(methods.helper.call({}), 7);
    assert.equal(runtime.context.calls.length, 2);
    assert.deepEqual((await named(runtime, "$pageview")).map(({ $page_path }) => $page_path), ["pages/as-component"]);
    const plain = launched("wx", "App({}); Component({})");
    assert.deepEqual(Object.keys(plain.componentDefinition.methods).sort(), ["onHide", "onLoad", "onReady", "onShow", "onUnload"]);
  });
});

describe("the program's own handlers", () => {
  test("are called with this and arguments, and their result is given back", async () => {
    const source = `
      App({
        onLaunch(entry) { calls.push(["launch", this.globalData, entry.scene]); return 1 },
        onError(error) { calls.push(["error", error]) },
        globalData: "mine",
      });
      Page({
        data: { n: 1 },
        onLoad(query) { calls.push(["load", this.route, query.a]); return 2 },
        onReachBottom: () => 3,
        add(a, b) { return this.data.n + a + b },
        Thing: class { constructor(n) { this.n = n } },
      });`;
    const runtime = launched("wx", source);
    const page = runtime.open(runtime.pageDefinition, "pages/home", { a: "b" });
    assert.equal(page.onLoad({ a: "c" }), 2);
    assert.equal(page.onReachBottom(), 3);
    assert.equal(page.add(2, 3), 6);
    assert.equal(page.add.length, 2);
    assert.equal(new page.Thing(4).n, 4);
    assert.deepEqual(JSON.parse(JSON.stringify(runtime.context.calls)), [
      ["launch", "mine", 1001],
      ["load", "pages/home", "b"],
      ["load", "pages/home", "c"],
    ]);
  });

  test("throw as before", async () => {
    const source = `App({ onShow() { throw new Error("in show") } });
      Page({ onLoad() { throw new Error("in load") }, buy() { throw new Error("in buy") } })`;
    const runtime = new Runtime("wx", here.server);
    runtime.init();
    runtime.run(source);
    assert.throws(() => runtime.launch(), /in show/);
    assert.throws(() => runtime.open(runtime.pageDefinition, "pages/home"), /in load/);
    assert.throws(() => runtime.pageDefinition.buy(tap({ track: "buy" })), /in buy/);
    assert.deepEqual((await named(runtime, "$tap")).length, 1);
  });

  test("go on when what the platform tells is not what it should be", async () => {
    const runtime = launched("wx", "App({ onShow() { return 1 } }); Page({ onLoad() { return 2 }, go() { return 3 } })");
    assert.equal(runtime.app.onShow(null), 1);
    assert.equal(runtime.app.onShow({ query: 7, scene: {} }), 1);
    assert.equal(runtime.pageDefinition.onLoad.call(undefined), 2);
    for (const event of [null, { type: "tap" }, { type: "tap", currentTarget: null }, 7]) {
      assert.equal(runtime.pageDefinition.go(event), 3);
    }
    assert.equal(runtime.run("Page()"), undefined);
  });
});

describe("taps and gestures", () => {
  test("marked elements are reported, once for each tap", async () => {
    const source = `App({}); Page({ buy(e) { this.log(e) }, log(e) { calls.push(e.type) }, move() {} })`;
    const runtime = launched("wx", source);
    const page = runtime.open(runtime.pageDefinition, "pages/home");
    page.buy(tap({ track: "buy", sku: "A-1" }));
    page.buy(tap({ sku: "A-1" }));
    page.move({ ...tap({ track: "move" }), type: "touchmove" });
    page.buy(tap({ track: 7 }));
    assert.deepEqual(await named(runtime, "$tap"), [
      { $element: "buy", $element_id: "buy-1", $page_path: "pages/home" },
      { $element: "7", $element_id: "buy-1", $page_path: "pages/home" },
    ]);
    assert.equal(runtime.context.calls.length, 3);
  });

  test("pull-down and reach-bottom are reported, with or without a handler", async () => {
    const runtime = launched("wx", "App({}); Page({ onPullDownRefresh() { return 1 } })");
    const page = runtime.open(runtime.pageDefinition, "pages/home");
    assert.equal(page.onPullDownRefresh(), 1);
    page.onReachBottom();
    assert.equal((await named(runtime, "$pull_down")).length, 1);
    assert.equal((await named(runtime, "$reach_bottom")).length, 1);
  });
});

describe("shares", () => {
  const share = (source) => {
    const runtime = launched("wx", `App({}); Page({ ${source} })`);
    return { runtime, page: runtime.open(runtime.pageDefinition, "pages/home", { a: "1", sp_share: "old" }) };
  };
  const plain = (value) => JSON.parse(JSON.stringify(value));

  test("a shared page carries the share's id, whichever way its content is given", async () => {
    const { runtime, page } = share(`
      onShareAppMessage({ from }) {
        calls.push(from);
        return [
          { title: "t", path: "/pages/detail?id=7", imageUrl: "i" },
          { title: "no path" },
          { title: "later", promise: Promise.resolve({ title: "t2", path: "/pages/x" }) },
          Promise.resolve({ title: "t3", path: "/pages/y?sp_share=mine&b=2" }),
        ][calls.length - 1];
      }`);
    const first = plain(page.onShareAppMessage({ from: "button" }));
    const second = plain(page.onShareAppMessage({ from: "menu" }));
    const third = page.onShareAppMessage({ from: "menu" });
    const fourth = plain(await page.onShareAppMessage({ from: "menu" }));
    const shares = await named(runtime, "$share");
    const ids = shares.map(({ $share_id }) => $share_id);
    assert.equal(new Set(ids).size, 4);
    assert.deepEqual(shares.map(({ $share_from }) => $share_from), ["button", "menu", "menu", "menu"]);
    assert.deepEqual([first.title, first.imageUrl, first.path], ["t", "i", `/pages/detail?id=7&sp_share=${ids[0]}`]);
    assert.equal(second.path, `/pages/home?a=1&sp_share=${ids[1]}`);
    assert.equal(plain(await third.promise).path, `/pages/x?sp_share=${ids[2]}`);
    assert.equal(fourth.path, `/pages/y?b=2&sp_share=${ids[3]}`);
  });

  test("the timeline gets it in its query", async () => {
    const { runtime, page } = share(`onShareTimeline() { return { title: "t", query: "a=2" } }`);
    const content = plain(page.onShareTimeline());
    const [{ $share_id, $share_from }] = await named(runtime, "$share");
    assert.deepEqual([content.title, content.query, $share_from], ["t", `a=2&sp_share=${$share_id}`, "timeline"]);
  });

  test("what is no content stays what it is, and pages without a handler stay without", async () => {
    const { page, runtime } = share(`onShareAppMessage() {}`);
    assert.equal(page.onShareAppMessage({ from: "menu" }), undefined);
    assert.equal((await named(runtime, "$share")).length, 1);
    assert.equal(share("").page.onShareAppMessage, undefined);
    const off = launched("wx", "App({}); Page({ onShareAppMessage: () => ({ path: '/p' }) })", { automatic: { share: false } });
    assert.deepEqual(plain(off.pageDefinition.onShareAppMessage({})), { path: "/p" });
  });

  test("whoever comes by a share is told, once", async () => {
    const runtime = launched("wx");
    const entry = { path: "pages/home", query: { sp_share: "s-1" }, scene: 1007, shareTicket: "ticket" };
    runtime.app.onShow(entry);
    runtime.app.onHide();
    runtime.app.onShow(entry);
    runtime.app.onShow({ path: "pages/home", query: {}, scene: 1044, shareTicket: "other" });
    const backs = (await named(runtime, "$share_back")).map(({ $share_id, $share_ticket, $scene }) => [$share_id, $share_ticket, $scene]);
    assert.deepEqual(backs, [["s-1", "ticket", "1007"], [undefined, "other", "1044"]]);
  });
});

describe("errors and requests", () => {
  for (const platform of PLATFORMS) {
    test(`${platform}: errors and unhandled rejections`, async () => {
      const runtime = launched(platform, "App({ onError(e) { calls.push(e) } }); Page({})");
      runtime.app.onError("TypeError: x is undefined\nat a.js:1:2\nat b.js:3:4");
      runtime.run("globalThis.problem = new RangeError('too far')");
      runtime.app.onUnhandledRejection({ reason: runtime.context.problem, promise: null });
      runtime.app.onUnhandledRejection({ reason: undefined });
      const [error] = await named(runtime, "$error");
      assert.deepEqual([error.$message, error.$stack], ["TypeError: x is undefined", "at a.js:1:2\nat b.js:3:4"]);
      const [rejection, without] = await named(runtime, "$unhandled_rejection");
      assert.equal(rejection.$message, "too far");
      assert.match(rejection.$stack, /RangeError: too far/);
      assert.equal(without.$message, "undefined");
      assert.equal(runtime.context.calls.length, 1);
    });

    test(`${platform}: latency and failures of the program's requests, none of ours`, async () => {
      here.server.pages.set("/api/cart", ["application/json", '{"ok":1}']);
      const runtime = launched(platform);
      runtime.context.api = runtime.api;
      runtime.context.url = here.server.url;
      runtime.run(`
        for (const [path, method] of [["/api/cart?token=secret&page=2#x", "POST"], ["/nowhere", undefined]]) {
          api.request({ url: url + path, method,
            success(answer) { calls.push(["success", answer.statusCode]) },
            fail(answer) { calls.push(["fail", answer.status]) },
            complete() { calls.push(["complete"]) } });
        }
        api.request({ url: "http://127.0.0.1:1/refused", fail() { calls.push(["refused"]) } });`);
      await runtime.pass(10);
      const calls = runtime.context.calls.map(([name]) => name).sort();
      assert.deepEqual(calls, ["complete", "complete", "refused", platform === "my" ? "fail" : "success", "success"].sort());
      const told = await named(runtime, "$request");
      const short = told.map(({ $url, $method, $status, $failure }) => [$url.replace(here.server.url, ""), $method, $status, $failure]);
      assert.deepEqual(short.slice().sort(), [
        ["/api/cart?token&page", "POST", 200, undefined],
        ["/nowhere", "GET", 404, undefined],
        ["http://127.0.0.1:1/refused", "GET", 0, short.find(([, , status]) => !status)[3]],
      ]);
      assert.match(short.find(([, , status]) => !status)[3], /ECONNREFUSED/);
      assert.ok(told.every(({ $duration_ms }) => Number.isInteger($duration_ms)));
    });
  }

  for (const platform of ["my", "swan"]) {
    test(`${platform}: a request without callbacks still gives its promise`, async () => {
      here.server.pages.set("/api/cart", ["application/json", '{"ok":1}']);
      const runtime = launched(platform);
      runtime.context.api = runtime.api;
      const answer = await runtime.run(`api.request({ url: "${here.server.url}/api/cart" })`);
      assert.equal(answer.data.ok, 1);
      await assert.rejects(runtime.run(`api.request({ url: "http://127.0.0.1:1/" })`), (error) => /ECONNREFUSED/.test(JSON.stringify(error)));
      assert.deepEqual((await named(runtime, "$request")).map(({ $status }) => $status), [200, 0]);
    });
  }

  test("an error in a loop reports 100 times a minute, and how often it did not", async () => {
    const runtime = launched("wx");
    for (let n = 0; n < 1_000; n++) runtime.app.onError("again");
    runtime.suanpan.track("own events are not limited");
    await runtime.pass(61_000);
    runtime.app.onError("again");
    const errors = await named(runtime, "$error");
    assert.equal(errors.length, 101);
    assert.equal(errors[100].$skipped, 900);
  });
});

describe("the platform's news", () => {
  test("updates", async () => {
    const runtime = launched("wx");
    const { check, ready, failed } = runtime.api.updateListeners;
    check({ hasUpdate: false });
    check({ hasUpdate: true });
    ready();
    failed();
    assert.deepEqual((await named(runtime, "$app_update")).map(({ $state }) => $state), ["found", "ready", "failed"]);
  });

  test("launch and render times of the platform itself, where it tells them", async () => {
    const runtime = launched("wx");
    runtime.open(runtime.pageDefinition, "pages/home");
    const [{ listener, entryTypes }] = runtime.api.performanceListeners;
    assert.deepEqual([...entryTypes], ["navigation", "render"]);
    const entries = [
      { name: "appLaunch", entryType: "navigation", duration: 812.4, path: "pages/home" },
      { name: "route", entryType: "navigation", duration: 5 },
      { name: "firstRender", entryType: "render", duration: 96, path: "pages/home" },
    ];
    listener({ getEntries: () => entries });
    assert.deepEqual(await named(runtime, "$launch_time"), [{ $duration_ms: 812, $page_path: "pages/home" }]);
    assert.deepEqual(await named(runtime, "$page_render"), [{ $duration_ms: 96, $page_path: "pages/home" }]);
  });

  for (const platform of PLATFORMS.slice(1)) {
    test(`${platform}: elsewhere they are measured`, async () => {
      const runtime = launched(platform);
      await runtime.pass(200);
      const page = Object.assign(Object.create(runtime.pageDefinition), { route: "pages/home" });
      page.onLoad({});
      page.onShow();
      await runtime.pass(150);
      page.onReady();
      page.onReady();
      assert.deepEqual((await named(runtime, "$launch_time")).map(({ $duration_ms }) => $duration_ms), [350]);
      assert.deepEqual((await named(runtime, "$page_render")).map(({ $duration_ms }) => $duration_ms), [150, 150]);
    });
  }

  test("the kind of network is told", async () => {
    const runtime = launched("wx");
    runtime.suanpan.track("one");
    runtime.api.networkListeners.forEach((listener) => listener({ isConnected: true, networkType: "4g" }));
    runtime.suanpan.track("other");
    await runtime.drain();
    assert.equal(here.server.named("one")[0].properties.$network, "wifi");
    assert.equal(here.server.named("other")[0].properties.$network, "4g");
  });
});

describe("switches", () => {
  test("each automatic event can be switched off, and all", async () => {
    const everything = (runtime) => {
      const page = runtime.open(runtime.pageDefinition, "pages/home");
      page.buy(tap({ track: "buy" }));
      page.onShareAppMessage({ from: "menu" });
      page.onPullDownRefresh();
      page.onReachBottom();
      runtime.app.onShow({ query: { sp_share: "s" } });
      runtime.app.onError("e");
      runtime.app.onUnhandledRejection({ reason: "r" });
      runtime.run(`${runtime.platform}.request({ url: "${here.server.url}/x" })`);
      runtime.api.updateListeners.ready?.();
      page.onHide();
      runtime.app.onHide();
    };
    const source = "App({}); Page({ buy() {}, onShareAppMessage: () => ({}) })";
    const run = async (automatic) => {
      here.server.stored = [];
      const runtime = launched("jd", source, { automatic });
      everything(runtime);
      return new Set((await arrived(runtime)).map(([event]) => event));
    };
    const all = await run(true);
    assert.equal(all.size, 16, [...all].join(" "));
    assert.deepEqual([...(await run(undefined))].sort(), [...all].sort());
    assert.deepEqual([...(await run(false))], []);
    for (const event of all) {
      const others = await run({ [event.slice(1)]: false });
      assert.deepEqual([...others].sort(), [...all].filter((other) => other !== event).sort());
    }
  });
});

test("a second init gives the same client", () => {
  const runtime = new Runtime("wx", here.server);
  const file = runtime.init();
  assert.equal(typeof file.track, "function");
  runtime.run("App({})");
  assert.equal(runtime.exports.init({}), file);
});

test("without App and Page, as in a plugin, events are reported all the same", async () => {
  const runtime = new Runtime("wx", here.server);
  runtime.run("delete globalThis.App; delete globalThis.Page; delete globalThis.Component");
  runtime.init().track("e");
  await runtime.drain();
  assert.equal(here.server.named("e").length, 1);
});
