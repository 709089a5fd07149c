import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Runtime } from "./support/runtime.mjs";
import { serverForEach, start as startOn } from "./support/start.mjs";

const here = serverForEach();
const start = (...given) => startOn(here.server, ...given);

const named = (name) => here.server.named(name);

describe("identity", () => {
  test("the anonymous id is made once and stays", async () => {
    const runtime = start();
    runtime.suanpan.track("e");
    await runtime.drain();
    const again = start("wx", {}, { storage: runtime.storage });
    again.suanpan.track("e");
    await again.drain();
    assert.equal(named("e").length, 2);
    assert.equal(named("e")[0].device_id, named("e")[1].device_id);
  });

  test("login links the anonymous id, and holds over restarts until logout", async () => {
    const runtime = start();
    runtime.suanpan.track("before");
    runtime.suanpan.login("u-17");
    runtime.suanpan.login("u-17");
    runtime.suanpan.track("known");
    await runtime.drain();
    const again = start("wx", {}, { storage: runtime.storage });
    again.suanpan.track("known again");
    again.suanpan.logout();
    again.suanpan.track("after");
    await again.drain();

    assert.equal(named("$identify").length, 1);
    const [link] = named("$identify");
    assert.equal(link.user_id, "u-17");
    assert.deepEqual(link.properties, { $anonymous_id: link.device_id });
    assert.equal(link.linked_id, link.device_id);
    assert.equal(named("before")[0].user_id, undefined);
    assert.equal(named("known")[0].user_id, "u-17");
    assert.equal(named("known again")[0].user_id, "u-17");
    assert.equal(named("after")[0].user_id, undefined);
    assert.equal(new Set(here.server.stored.map(({ device_id }) => device_id)).size, 1);
  });

  test("a number is an id, nothing is none, and a long one is cut", async () => {
    const runtime = start();
    runtime.suanpan.login("");
    assert.equal(runtime.suanpan.status().userId, undefined);
    runtime.suanpan.login(12345678901);
    assert.equal(runtime.suanpan.status().userId, "12345678901");
    runtime.suanpan.login("x".repeat(300));
    assert.equal(runtime.suanpan.status().userId, "x".repeat(255));
  });

  test("openid and unionid are links, one event each", async () => {
    const runtime = start();
    runtime.suanpan.identify({ openid: "o-1", unionid: "un-1", other: undefined });
    await runtime.drain();
    assert.deepEqual(
      named("$identify").map(({ linked_id, properties }) => [linked_id, properties]),
      [["o-1", { $openid: "o-1" }], ["un-1", { $unionid: "un-1" }]],
    );
    assert.equal(named("$identify")[0].device_id, runtime.suanpan.status().deviceId);
  });

  test("reset makes another person", async () => {
    const runtime = start();
    runtime.suanpan.register({ vip: true });
    runtime.suanpan.login("u-1");
    runtime.suanpan.track("one");
    runtime.suanpan.reset();
    runtime.suanpan.track("other");
    await runtime.drain();
    const [one, other] = [...named("one"), ...named("other")];
    assert.notEqual(one.device_id, other.device_id);
    assert.notEqual(one.session_id, other.session_id);
    assert.deepEqual([other.user_id, other.properties.vip], [undefined, undefined]);
  });

  test("profiles are changed by events", async () => {
    const runtime = start();
    const { suanpan } = runtime;
    suanpan.register({ never: "in profiles" });
    suanpan.setProfile({ level: 3, 城市: "上海" });
    suanpan.setOnceProfile({ first_channel: "search" });
    suanpan.incrementProfile({ orders: 1 });
    suanpan.appendProfile({ tags: ["tea"] });
    suanpan.unsetProfile("level", "age");
    await runtime.drain();
    assert.deepEqual(
      here.server.stored.map(({ event, properties }) => [event, properties]),
      [
        ["$profile_set", { $set: { level: 3, 城市: "上海" } }],
        ["$profile_set_once", { $set_once: { first_channel: "search" } }],
        ["$profile_increment", { $add: { orders: 1 } }],
        ["$profile_append", { $append: { tags: ["tea"] } }],
        ["$profile_unset", { $unset: ["level", "age"] }],
      ],
    );
  });
});

describe("registered properties", () => {
  test("stand in every event, over restarts; own ones come before them", async () => {
    const runtime = start();
    runtime.suanpan.register({ channel: "qr", shop: 7, theme: "red" });
    runtime.suanpan.register({ channel: "search" });
    runtime.suanpan.unregister("theme", "unknown");
    await runtime.pass(100);
    const again = start("wx", {}, { storage: runtime.storage });
    again.suanpan.registerDynamic(() => ({ shop: 8, cart: 2 }));
    again.suanpan.track("e", { cart: 3 });
    await again.drain();
    const { channel, shop, theme, cart } = named("e")[0].properties;
    assert.deepEqual({ channel, shop, theme, cart }, { channel: "search", shop: 8, theme: undefined, cart: 3 });
  });

  test("a dynamic function that throws adds none", async () => {
    const runtime = start();
    runtime.suanpan.registerDynamic(() => {
      throw new Error("mine");
    });
    runtime.suanpan.track("e", { a: 1 });
    runtime.suanpan.registerDynamic(undefined);
    runtime.suanpan.track("e", { a: 2 });
    await runtime.drain();
    assert.deepEqual(named("e").map(({ properties }) => properties.a), [1, 2]);
  });
});

describe("consent", () => {
  test("opting out forgets everything, stops everything, and holds over restarts", async () => {
    const runtime = start("wx", { automatic: true });
    here.server.faults = Array(20).fill("reset");
    runtime.suanpan.login("u-1");
    for (let n = 0; n < 120; n++) runtime.suanpan.track("e", { n });
    await runtime.pass(20_000);
    runtime.suanpan.optOut();
    await runtime.pass(10_000);
    assert.deepEqual([...runtime.storage.entries], [["suanpan", '{"consent":false}']]);
    assert.equal(runtime.suanpan.status().queued, 0);
    here.server.faults = [];
    const before = here.server.requests.length;

    runtime.run("App({}); Page({})");
    runtime.launch();
    runtime.suanpan.track("e");
    runtime.suanpan.login("u-2");
    runtime.suanpan.setProfile({ a: 1 });
    await runtime.pass(600_000);
    const again = start("wx", { automatic: true }, { storage: runtime.storage });
    again.run("App({}); Page({})");
    again.launch();
    again.suanpan.track("e");
    await again.pass(600_000);
    assert.equal(here.server.requests.length, before);
    assert.equal(again.suanpan.status().collecting, false);
    assert.deepEqual([...runtime.storage.entries], [["suanpan", '{"consent":false}']]);

    again.suanpan.optIn();
    again.suanpan.track("back");
    await again.drain();
    assert.deepEqual(here.server.stored.map(({ event }) => event), ["back"]);
    assert.equal(named("back")[0].user_id, undefined);
  });

  test("opting out while a request is under way does not bring its events back", async () => {
    const runtime = start();
    here.server.onRequest = () => runtime.suanpan.optOut();
    here.server.faults = [503];
    runtime.suanpan.track("e");
    await runtime.pass(3_600_000);
    assert.equal(here.server.requests.length, 1);
    assert.equal(runtime.suanpan.status().queued, 0);
  });

  test("waiting for consent, nothing is asked, stored or sent; then the first visit is told", async () => {
    const runtime = new Runtime("wx", here.server);
    let asked = 0;
    for (const call of ["getDeviceInfo", "getWindowInfo", "getAppBaseInfo", "getAccountInfoSync"]) {
      const own = runtime.api[call];
      runtime.api[call] = () => (asked++, own());
    }
    runtime.init({ waitForConsent: true });
    runtime.run("App({}); Page({})");
    runtime.launch({ path: "pages/home", query: { ad: "7" }, scene: 1011 });
    runtime.open(runtime.pageDefinition, "pages/home");
    runtime.suanpan.track("before");
    runtime.suanpan.register({ channel: "qr" });
    runtime.app.onHide();
    runtime.app.onShow();
    await runtime.pass(600_000);
    assert.deepEqual([...runtime.storage.entries], []);
    assert.deepEqual([here.server.requests.length, asked], [0, 0]);

    runtime.suanpan.optIn();
    await runtime.drain();
    assert.deepEqual(here.server.stored.map(({ event }) => event), ["$launch", "$show", "$pageview", "$show"]);
    assert.equal(named("$launch")[0].properties.$query, "ad=7");
    assert.equal(named("$launch")[0].properties.channel, "qr");

    const again = start("wx", { waitForConsent: true }, { storage: runtime.storage });
    again.suanpan.track("later");
    await again.drain();
    assert.equal(named("later").length, 1);
  });
});
