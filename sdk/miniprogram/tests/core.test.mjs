import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Runtime } from "./support/runtime.mjs";
import { serverForEach, start as startOn } from "./support/start.mjs";

const PLATFORMS = ["wx", "jd", "my", "tt", "swan"];
const NAMES = { wx: "wechat", jd: "jd", my: "alipay", tt: "douyin", swan: "baidu" };

const here = serverForEach();
const start = (...given) => startOn(here.server, ...given);

describe("reporting", () => {
  for (const platform of PLATFORMS) {
    test(`${platform}: an event arrives with who, when, where and what`, async () => {
      const runtime = start(platform, { appVersion: platform === "jd" ? "3.2.1" : undefined });
      await runtime.pass(10);
      runtime.suanpan.track("purchase", { amount: 19.9, items: [{ sku: "A-1" }], 商品: "茶 🍵" });
      const at = runtime.now;
      await runtime.pass(10_000);

      assert.equal(here.server.requests.length, 1);
      assert.equal(here.server.requests[0].key, "sp_write");
      assert.equal(here.server.requests[0].headers["content-type"], "application/json");
      const { sent_at } = JSON.parse(here.server.requests[0].text);
      assert.equal(sent_at, at + 5_000);
      const [event] = here.server.stored;
      assert.match(event.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.equal(event.event, "purchase");
      assert.equal(event.time, at);
      assert.equal(event.user_id, undefined);
      assert.equal(event.device_id, runtime.suanpan.status().deviceId);
      assert.equal(event.session_id, runtime.suanpan.status().sessionId);
      assert.equal(event.platform, NAMES[platform]);
      assert.equal(event.app_version, "3.2.1");
      assert.match(event.library, /^suanpan-mini\/\d/);
      const { amount, items, 商品, $device_model, $network, $screen_width, $os } = event.properties;
      assert.deepEqual({ amount, items, 商品 }, { amount: 19.9, items: [{ sku: "A-1" }], 商品: "茶 🍵" });
      assert.deepEqual([$device_model, $network.toLowerCase(), $screen_width, $os], ["iPhone 15", "wifi", 390, "ios"]);
      assert.equal(runtime.suanpan.status().queued, 0);
      assert.deepEqual([...runtime.storage.entries.keys()].filter((key) => /\.q\./.test(key)), []);
    });
  }

  test("many events go in batches of 50, each once", async () => {
    const runtime = start();
    for (let n = 0; n < 230; n++) runtime.suanpan.track("e", { n });
    await runtime.drain();
    assert.deepEqual(here.server.stored.map(({ properties }) => properties.n), [...Array(230).keys()]);
    assert.deepEqual(here.server.requests.map(({ text }) => JSON.parse(text).events.length), [50, 50, 50, 50, 30]);
  });

  test("ids differ, and sort as they were made", async () => {
    const runtime = start("wx", { queueEvents: 5_000 });
    for (let n = 0; n < 2_000; n++) runtime.suanpan.track("e");
    await runtime.drain();
    const ids = here.server.stored.map(({ id }) => id);
    assert.equal(new Set(ids).size, 2_000);
    const later = start();
    await later.pass(10);
    later.suanpan.track("later");
    await later.drain();
    assert.ok(here.server.named("later")[0].id > ids[0]);
  });

  test("a request has at most 60 KB, an event at most 32 KB", async () => {
    const runtime = start();
    for (let n = 0; n < 20; n++) runtime.suanpan.track("big", { text: "茶".repeat(8_000), n });
    runtime.suanpan.track("bigger", { a: "x".repeat(8_000), b: "y".repeat(8_000), c: "z".repeat(8_000), d: "w".repeat(8_000) });
    await runtime.drain();
    assert.equal(here.server.named("big").length, 20);
    assert.ok(Math.max(...here.server.requests.map(({ bytes }) => bytes)) < 61_000);
    assert.deepEqual(Object.keys(here.server.named("bigger")[0].properties), ["$too_large"]);
    assert.ok(here.server.named("bigger")[0].properties.$too_large > 32_000);
  });
});

describe("outcomes", () => {
  test("only what says retry is sent again", async () => {
    const runtime = start();
    let tries = 0;
    here.server.judge = ({ event }) => {
      if (event === "again" && tries++ < 2) return { status: "retry", code: "overloaded" };
      if (event === "wrong") return { status: "rejected", code: "identity_missing" };
      if (event === "odd") return { status: "warning", notes: [{ code: "unknown_field", field: "x" }] };
      if (event === "twice") return { status: "duplicate" };
    };
    for (const name of ["fine", "again", "wrong", "odd", "twice"]) runtime.suanpan.track(name);
    await runtime.drain();
    assert.deepEqual(here.server.requests.map(({ text }) => JSON.parse(text).events.map(({ event }) => event)), [
      ["fine", "again", "wrong", "odd", "twice"],
      ["again"],
      ["again"],
    ]);
    assert.equal(runtime.suanpan.status().queued, 0);
  });

  for (const fault of [408, 425, 429, 500, 502, 503, "reset", "reset_after_storing", "hang", "hang_after_storing"]) {
    test(`after ${fault} everything is sent again, and counted once`, async () => {
      const runtime = start();
      here.server.faults = [fault, fault, fault];
      for (let n = 0; n < 70; n++) runtime.suanpan.track("e", { n });
      await runtime.drain();
      assert.deepEqual(here.server.stored.map(({ properties }) => properties.n).sort((a, b) => a - b), [...Array(70).keys()]);
      assert.equal(runtime.suanpan.status().queued, 0);
    });
  }

  test("a 200 of somebody else does not count as an answer", async () => {
    const runtime = start();
    const login = { status: 200, text: "<html>Log in to this network</html>", headers: { "Content-Type": "text/html" } };
    here.server.faults = [login, { status: 200, text: '{"results":[]}' }, { status: 204, text: "" }, { status: 200, text: "null" }];
    runtime.suanpan.track("e");
    await runtime.drain();
    assert.equal(here.server.stored.length, 1);
    assert.equal(here.server.requests.length, 5);
  });

  test("pauses grow, by chance, up to five minutes", async () => {
    const runtime = start();
    const at = [];
    here.server.onRequest = () => at.push(runtime.now);
    here.server.faults = Array(14).fill(503);
    runtime.suanpan.track("e");
    await runtime.pass(24 * 3_600_000);
    const pauses = at.slice(1).map((time, index) => time - at[index]);
    assert.equal(here.server.stored.length, 1);
    pauses.forEach((pause, index) => {
      const most = Math.min(300_000, 2_000 * 2 ** index);
      assert.ok(pause >= most / 2 - 1 && pause <= most + 1, `pause ${index} is ${pause} ms`);
    });
    assert.notEqual(new Set(pauses.slice(-5)).size, 1);
  });

  test("Retry-After is the least pause, flush or not", async () => {
    const runtime = start();
    const at = [];
    here.server.onRequest = () => at.push(runtime.now);
    here.server.faults = [{ status: 429, headers: { "Retry-After": "120" } }];
    runtime.suanpan.track("e");
    for (let s = 0; s < 130; s++) {
      await runtime.pass(1_000);
      runtime.suanpan.flush();
    }
    assert.equal(here.server.stored.length, 1);
    assert.equal(at.length, 2);
    assert.ok(at[1] - at[0] >= 120_000 && at[1] - at[0] < 121_000, `a pause of ${at[1] - at[0]} ms`);
  });

  for (const status of [401, 403, 404, 405, 407, 410, 421]) {
    test(`at ${status} events are kept, and tried again after an hour`, async () => {
      const runtime = start("wx", { debug: true });
      here.server.faults = [status];
      runtime.suanpan.track("e");
      await runtime.pass(3_000_000);
      assert.equal(here.server.requests.length, 1);
      assert.ok(runtime.said.some((line) => line.includes("check host and key")));
      await runtime.pass(700_000);
      assert.equal(here.server.stored.length, 1);
    });
  }

  for (const platform of ["wx", "my"]) {
    test(`${platform}: at 413 the batch is halved until it fits; an event that never does is dropped`, async () => {
      const runtime = start(platform, { debug: true, flushIntervalMs: 1_000 });
      await runtime.pass(100);
      const tooLarge = () => {
        const { events } = JSON.parse(here.server.requests.at(-1).text);
        return events.length > 10 || events.some(({ event }) => event === "poison");
      };
      here.server.onRequest = () => here.server.faults.unshift(...(tooLarge() ? [413] : []));
      for (let n = 0; n < 60; n++) runtime.suanpan.track(n === 33 ? "poison" : "e", { n });
      await runtime.drain();
      assert.equal(here.server.named("e").length, 59);
      assert.equal(here.server.named("poison").length, 0);
      assert.equal(runtime.suanpan.status().queued, 0);
      assert.ok(runtime.said.some((line) => line.includes("dropped") && line.includes("poison")));
    });
  }

  test("an event that makes the whole request 400 is found and dropped alone", async () => {
    const runtime = start();
    here.server.onRequest = ({ text }) => {
      if (text.includes("poison")) here.server.faults.unshift(400);
    };
    for (let n = 0; n < 50; n++) runtime.suanpan.track(n === 17 ? "poison" : "e", { n });
    await runtime.drain();
    assert.equal(here.server.named("e").length, 49);
    assert.equal(runtime.suanpan.status().queued, 0);
  });

  test("debug mode prints what the server says of each event, and marks the traffic", async () => {
    const runtime = start("wx", { debug: true });
    here.server.judge = ({ event }) =>
      event === "odd"
        ? { status: "warning", notes: [{ code: "unknown_field", field: "colour", message: "not known" }] }
        : event === "wrong"
          ? { status: "rejected", code: "wrong_type", field: "x", expected: "number", got: "string", hint: "send 1" }
          : undefined;
    for (const name of ["fine", "odd", "wrong"]) runtime.suanpan.track(name);
    await runtime.pass(100);
    assert.equal(JSON.parse(here.server.requests[0].text).debug, true);
    const said = runtime.said.join("\n");
    assert.match(said, /fine .*"ok"/);
    assert.match(said, /odd .*"warning".*unknown_field.*colour.*not known/);
    assert.match(said, /wrong .*"rejected".*wrong_type.*number.*string.*send 1/);

    runtime.suanpan.setDebug(false);
    const lines = runtime.said.length;
    runtime.suanpan.track("quiet");
    await runtime.pass(10_000);
    assert.equal("debug" in JSON.parse(here.server.requests.at(-1).text), false);
    assert.equal(runtime.said.length, lines);
  });
});

describe("the network", () => {
  test("without one nothing is tried, with one everything goes", async () => {
    const runtime = start();
    const change = (isConnected) =>
      runtime.api.networkListeners.forEach((listener) => listener({ isConnected, networkType: isConnected ? "4g" : "none" }));
    change(false);
    for (let n = 0; n < 80; n++) runtime.suanpan.track("e", { n });
    await runtime.pass(3_600_000);
    assert.equal(here.server.requests.length, 0);
    change(true);
    await runtime.pass(1_000);
    assert.equal(here.server.stored.length, 80);
  });

  test("a start without a network is noticed", async () => {
    const runtime = new Runtime("my", here.server);
    runtime.api.getNetworkType = ({ success }) => success({ networkAvailable: false, networkType: "NOTREACHABLE" });
    runtime.init({ automatic: false }).track("e");
    await runtime.pass(60_000);
    assert.equal(here.server.requests.length, 0);
  });

  test("a platform that never answers does not stop reporting", async () => {
    const runtime = new Runtime("wx", here.server);
    let lost = 2;
    const { request } = runtime.api;
    Object.defineProperty(runtime.api, "request", {
      configurable: true,
      get: () =>
        function (options) {
          return lost-- > 0 ? {} : request.call(this, options);
        },
    });
    runtime.init({ automatic: false }).track("e");
    await runtime.pass(300_000);
    assert.equal(here.server.stored.length, 1);
  });
});

describe("the queue", () => {
  test("is stored before it is sent", async () => {
    const runtime = start();
    here.server.onRequest = ({ text }) => {
      const stored = [...runtime.storage.entries.values()].join("\n");
      for (const { id } of JSON.parse(text).events) assert.ok(stored.includes(id), `${id} was sent before it was stored`);
    };
    for (let n = 0; n < 120; n++) {
      runtime.suanpan.track("e", { n });
      runtime.suanpan.flush();
      if (n % 10 === 0) await runtime.pass(30);
    }
    await runtime.drain();
    assert.equal(here.server.stored.length, 120);
  });

  test("survives restarts without a network, and goes in its order", async () => {
    let runtime = start();
    for (let run = 0; run < 5; run++) {
      here.server.faults = Array(100).fill("reset");
      for (let n = 0; n < 33; n++) runtime.suanpan.track("e", { n: run * 33 + n, lines: "a\nb\u2028c\r" });
      await runtime.pass(60_000);
      runtime = start("wx", {}, { storage: runtime.storage });
    }
    here.server.faults = [];
    await runtime.pass(10_000);
    assert.equal(runtime.suanpan.status().queued, 0);
    assert.deepEqual(here.server.stored.map(({ properties }) => properties.n), [...Array(165).keys()]);
    assert.equal(new Set(here.server.stored.map(({ device_id }) => device_id)).size, 1);
  });

  test("keeps 500 events; the oldest go, and how many is told", async () => {
    const runtime = start();
    here.server.faults = Array(1_000).fill("reset");
    for (let n = 0; n < 730; n++) {
      runtime.suanpan.track("e", { n });
      if (n % 50 === 0) await runtime.pass(200);
    }
    await runtime.pass(5_000);
    assert.equal(runtime.suanpan.status().queued, 500);
    assert.equal(runtime.suanpan.status().dropped, 230);

    const again = start("wx", {}, { storage: runtime.storage });
    await again.pass(10_000);
    here.server.faults = [];
    again.suanpan.track("last");
    await again.drain();
    assert.equal(here.server.named("last")[0].properties.$dropped_before, 230);
    assert.equal(again.suanpan.status().dropped, 231);
    assert.deepEqual(
      here.server.named("e").map(({ properties }) => properties.n).sort((a, b) => a - b),
      [...Array(499).keys()].map((n) => n + 231),
    );
  });

  test("keeps its bound in bytes", async () => {
    const runtime = start("wx", { queueBytes: 100_000 });
    here.server.faults = Array(1_000).fill("reset");
    for (let n = 0; n < 100; n++) runtime.suanpan.track("e", { n, text: "茶".repeat(1_000) });
    await runtime.pass(5_000);
    const chunks = [...runtime.storage.entries].filter(([key]) => /\.q\./.test(key));
    const bytes = chunks.reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0);
    assert.ok(bytes <= 100_000 && bytes > 80_000, `${bytes} bytes`);
    here.server.faults = [];
    await runtime.drain();
    assert.equal(here.server.stored.length + runtime.suanpan.status().dropped, 100);
  });

  test("stays within one storage key's limit on each platform", async () => {
    const runtime = start("my");
    let longest = 0;
    const { set } = runtime.storage;
    runtime.storage.set = function (key, text) {
      longest = Math.max(longest, text.length);
      return set.call(this, key, text);
    };
    for (let n = 0; n < 60; n++) runtime.suanpan.track("e", { text: "x".repeat(8_000) });
    await runtime.drain();
    assert.ok(longest > 8_000 && longest < 200 * 1024);
    assert.equal(runtime.suanpan.status().stored, true);
  });

  for (const platform of ["wx", "my"]) {
    test(`${platform}: goes on in memory when the storage is full, says so, and recovers`, async () => {
      const runtime = start(platform, { debug: true });
      here.server.faults = Array(100).fill(503);
      runtime.suanpan.track("first");
      await runtime.pass(500);
      runtime.storage.bytesMax = 0;
      for (let n = 0; n < 20; n++) runtime.suanpan.track("e", { n });
      await runtime.pass(500);
      assert.equal(runtime.suanpan.status().stored, false);
      assert.equal(runtime.said.filter((line) => line.includes("storage refused")).length, 1);
      here.server.faults = [];
      await runtime.drain();
      assert.equal(here.server.stored.length, 21);
      runtime.storage.bytesMax = 1e7;
      runtime.suanpan.track("later");
      await runtime.pass(500);
      assert.equal(runtime.suanpan.status().stored, true);
    });
  }

  test("a storage that throws at everything hinders nothing", async () => {
    const runtime = new Runtime("wx", here.server);
    for (const call of ["getStorageSync", "setStorageSync", "removeStorageSync"]) {
      runtime.api[call] = () => {
        throw new Error(`${call}:fail`);
      };
    }
    runtime.init({ automatic: false });
    for (let n = 0; n < 60; n++) runtime.suanpan.track("e", { n });
    await runtime.drain();
    assert.equal(here.server.stored.length, 60);
  });

  test("what is spoilt in the storage is passed over", async () => {
    const first = start();
    here.server.faults = Array(50).fill("reset");
    for (let n = 0; n < 120; n++) first.suanpan.track("e", { n });
    await first.pass(20_000);
    const { entries } = first.storage;
    const [one, other] = [...entries.keys()].filter((key) => /\.q\./.test(key));
    entries.set(one, entries.get(one).slice(0, -30));
    entries.set(other, "{\u0000garbage");
    entries.set("suanpan", "{not json");
    here.server.faults = [];
    const again = start("wx", {}, { storage: first.storage });
    await again.drain();
    assert.equal(here.server.stored.length, 49 + 20);
    for (const numbers of ["1e999 1e999 x", "-5 99999999 0", "abc"]) {
      entries.set("suanpan.q", numbers);
      const run = start("wx", {}, { storage: first.storage });
      run.suanpan.track("after");
      await run.drain();
      assert.equal(run.suanpan.status().queued, 0);
    }
    assert.equal(here.server.named("after").length, 3);
  });

  test("10,000 tracks at once: no event unaccounted for, little work in a turn", async () => {
    const runtime = start();
    await runtime.pass(10);
    runtime.storage.writes = runtime.storage.bytesWritten = 0;
    for (let n = 0; n < 10_000; n++) runtime.suanpan.track("e", { n });
    assert.ok(runtime.storage.writes <= 1, "nothing is stored while tracks come");
    await runtime.drain();
    runtime.suanpan.track("last");
    await runtime.drain();
    const dropped = here.server.named("last")[0].properties.$dropped_before;
    assert.equal(here.server.named("e").length + dropped, 10_000);
    assert.deepEqual(here.server.named("e").map(({ properties }) => properties.n).slice(-1), [9_999]);
    // Beside its own chunk and its numbers, a turn may store the state of the person.
    assert.ok(runtime.writesInTurnMax <= 4, `${runtime.writesInTurnMax} writes in a turn`);
  });

  test("10,000 tracks in a second: the storage's work grows with the events, not with their square", async () => {
    const runtime = start("wx", { queueEvents: 5_000 });
    for (let n = 0; n < 10_000; n++) {
      runtime.suanpan.track("e", { n });
      if (n % 10 === 9) await runtime.pass(1);
    }
    await runtime.drain();
    runtime.suanpan.track("last");
    await runtime.drain();
    const { $dropped_before = 0 } = here.server.named("last")[0].properties;
    assert.equal(here.server.named("e").length + $dropped_before, 10_000);
    const reported = here.server.requests.reduce((sum, { bytes }) => sum + bytes, 0);
    assert.ok(runtime.storage.bytesWritten < 4 * reported, `${runtime.storage.bytesWritten} bytes stored, ${reported} sent`);
    assert.ok(runtime.writesInTurnMax <= 4, `${runtime.writesInTurnMax} writes in a turn`);
  });
});

describe("clocks", () => {
  test("sent_at is fresh in each try, and event times stay", async () => {
    const runtime = start();
    here.server.faults = [503, 503];
    runtime.suanpan.track("e");
    await runtime.pass(60_000);
    const bodies = here.server.requests.map(({ text }) => JSON.parse(text));
    assert.equal(bodies.length, 3);
    assert.equal(new Set(bodies.map(({ sent_at }) => sent_at)).size, 3);
    assert.equal(new Set(bodies.map(({ events }) => JSON.stringify(events))).size, 1);
  });

  for (const jump of [-3 * 86_400_000, -3_600_000, 86_400_000]) {
    test(`a clock set by ${jump / 3_600_000} h ends no pause early by going back, and stops nothing`, async () => {
      const runtime = start();
      here.server.faults = [{ status: 503, headers: { "Retry-After": "60" } }];
      runtime.suanpan.track("e");
      await runtime.pass(6_000);
      runtime.setClock(jump);
      runtime.suanpan.track("after");
      if (jump < 0) {
        await runtime.pass(50_000);
        assert.equal(here.server.requests.length, 1);
      }
      await runtime.pass(60_000);
      assert.equal(here.server.stored.length, 2);
    });
  }

  test("a session ends after 30 minutes without events", async () => {
    const runtime = start();
    const session = () => {
      runtime.suanpan.track("e");
      return runtime.suanpan.status().sessionId;
    };
    const first = session();
    await runtime.pass(29 * 60_000);
    assert.equal(session(), first);
    await runtime.pass(29 * 60_000);
    assert.equal(session(), first);
    await runtime.pass(31 * 60_000);
    assert.notEqual(session(), first);
  });

  test("a clock set back ends no session; time that truly passes does", async () => {
    const runtime = start();
    runtime.suanpan.track("e");
    const first = runtime.suanpan.status().sessionId;
    for (const jump of [-3_600_000, -86_400_000]) {
      await runtime.pass(60_000);
      runtime.setClock(jump);
      runtime.suanpan.track("e");
      assert.equal(runtime.suanpan.status().sessionId, first);
    }
    await runtime.pass(31 * 60_000);
    runtime.suanpan.track("e");
    assert.notEqual(runtime.suanpan.status().sessionId, first);
  });

  test("with a monotonic clock a jump forward ends no session either", async () => {
    const runtime = new Runtime("wx", here.server, { globals: { performance: { now: () => runtime.now } } });
    runtime.init({ automatic: false }).track("e");
    const first = runtime.suanpan.status().sessionId;
    await runtime.pass(60_000);
    runtime.setClock(86_400_000);
    runtime.suanpan.track("e");
    assert.equal(runtime.suanpan.status().sessionId, first);
  });

  test("a session goes on over a restart within 30 minutes, and not after", async () => {
    let runtime = start();
    runtime.suanpan.track("e");
    const { sessionId, deviceId } = runtime.suanpan.status();
    await runtime.pass(100);
    const soon = start("wx", {}, { storage: runtime.storage });
    await soon.pass(10 * 60_000);
    soon.suanpan.track("e");
    assert.equal(soon.suanpan.status().sessionId, sessionId);
    const later = start("wx", {}, { storage: runtime.storage });
    await later.pass(41 * 60_000);
    later.suanpan.track("e");
    assert.notEqual(later.suanpan.status().sessionId, sessionId);
    assert.equal(later.suanpan.status().deviceId, deviceId);
  });
});
