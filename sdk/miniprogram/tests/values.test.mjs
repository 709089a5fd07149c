import assert from "node:assert/strict";
import { test } from "node:test";
import { serverForEach, start as startOn } from "./support/start.mjs";

const here = serverForEach();

/** What arrives of a value that the source text gives, evaluated inside the program. */
async function arrived(source) {
  const runtime = startOn(here.server);
  runtime.context.suanpan = runtime.suanpan;
  runtime.run(`suanpan.track("e", ${source}); suanpan.track("next")`);
  await runtime.drain();
  assert.equal(here.server.named("next").length, 1, "tracking goes on");
  const { properties } = here.server.named("e")[0];
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !name.startsWith("$") || name === "$too_large"));
}

const cases = {
  "plain values stay": ["{ a: 1.5, b: true, c: 'é茶🍵', d: null, e: [1, 'x', [2]], f: { g: { h: -0.1 } }, i: '' }", { a: 1.5, b: true, c: "é茶🍵", d: null, e: [1, "x", [2]], f: { g: { h: -0.1 } }, i: "" }],
  "undefined, functions and symbols are left out, in lists they are null": ["{ a: undefined, b() {}, c: Symbol('s'), d: [undefined, () => 1, 2] }", { d: [null, null, 2] }],
  "NaN and infinities are null": ["{ a: NaN, b: Infinity, c: [-Infinity] }", { a: null, b: null, c: [null] }],
  "a bigint is its digits": ["{ a: 12345678901234567890n, b: [1n] }", { a: "12345678901234567890", b: ["1"] }],
  "a date is RFC 3339 text, a wrong one null": ["{ a: new Date(0), b: new Date(NaN) }", { a: "1970-01-01T00:00:00.000Z", b: null }],
  "toJSON counts": ["{ a: { toJSON: () => ({ b: 1 }) }, c: { toJSON() { return this } } }", { a: { b: 1 }, c: "[circular]" }],
  "what throws is unreadable": ["{ a: { get b() { throw 1 } }, c: { toJSON() { throw 1 } }, d: 1 }", { a: "[unreadable]", c: "[unreadable]", d: 1 }],
  "properties that throw themselves are left out": ["{ a: 1, get b() { throw 1 } }", {}],
  "a circle ends": ["(() => { const a = { n: 1 }; a.me = a; a.list = [a, { a }]; return { a } })()", { a: { n: 1, me: "[circular]", list: ["[circular]", { a: "[circular]" }] } }],
  "the same thing twice is no circle": ["(() => { const x = { n: 1 }; return { a: x, b: [x, x] } })()", { a: { n: 1 }, b: [{ n: 1 }, { n: 1 }] }],
  "eight levels arrive": ["{ 2: { 3: { 4: { 5: { 6: { 7: { 8: { here: 1 } } } } } } } }", { 2: { 3: { 4: { 5: { 6: { 7: { 8: { here: 1 } } } } } } } }],
  "a ninth does not": ["{ 2: { 3: { 4: { 5: { 6: { 7: { 8: { 9: {}, list: [1], n: 1 } } } } } } } }", { 2: { 3: { 4: { 5: { 6: { 7: { 8: { 9: "[too deep]", list: "[too deep]", n: 1 } } } } } } } }],
  "a long text is cut": ["{ a: 'x'.repeat(9000) }", { a: "x".repeat(8192) + "…" }],
  "names are cleaned": ["{ 'a\\nb': 1, '': 2, ['n'.repeat(200)]: 3 }", { "a b": 1, _: 2, ["n".repeat(128)]: 3 }],
  "names of the language are names": ["JSON.parse('{\"constructor\":1,\"toString\":2,\"hasOwnProperty\":3}')", { constructor: 1, toString: 2, hasOwnProperty: 3 }],
  "half a surrogate pair harms nothing": ["{ a: 'x\\ud83c', '\\udf75': 1 }", { a: "x\ud83c", "\udf75": 1 }],
  "no object is no properties": ["42", {}],
  "null is no properties": ["null", {}],
  "a proxy that throws at everything": ["new Proxy({}, { ownKeys() { throw 1 } })", {}],
};

for (const [name, [source, expected]] of Object.entries(cases)) {
  test(name, async () => assert.deepEqual(await arrived(source), expected));
}

test("of a long list and a wide object the first 255 arrive", async () => {
  const { list, wide } = await arrived("{ list: Array(1e6).fill(1), wide: Object.fromEntries([...Array(1e4).keys()].map((n) => ['k' + n, n])) }");
  assert.deepEqual([list.length, Object.keys(wide).length], [255, 255]);
});

test("of very many values the first 2,000 arrive", async () => {
  const { a } = await arrived("(() => { const of = (depth) => depth ? Array(50).fill(0).map(() => of(depth - 1)) : 1; return { a: of(3) } })()");
  const count = (value) => (Array.isArray(value) ? 1 + value.reduce((sum, entry) => sum + count(entry), 0) : value === null ? 0 : 1);
  assert.ok(count(a) > 1_900 && count(a) <= 2_001, `${count(a)} values`);
});

test("300 properties: the server's limit is kept, the first stay", async () => {
  const runtime = startOn(here.server);
  runtime.suanpan.register({ late: 1 });
  runtime.suanpan.track("e", Object.fromEntries([...Array(300).keys()].map((n) => [`p${n}`, n])));
  await runtime.drain();
  const { properties } = here.server.named("e")[0];
  assert.equal(Object.keys(properties).length, 255);
  assert.equal(properties.p254, 254);
});

test("event names of any kind do not throw", async () => {
  const runtime = startOn(here.server);
  const names = ["", null, undefined, 42, {}, Symbol("s"), "x".repeat(500), "a\0b", { toString: () => { throw new Error("no"); } }];
  for (const name of names) runtime.suanpan.track(name);
  await runtime.drain();
  assert.deepEqual(
    here.server.stored.map(({ event }) => event),
    ["null", "undefined", "42", "[object Object]", "Symbol(s)", "x".repeat(128), "a b"],
  );
});

test("properties are taken as they are when they are tracked", async () => {
  const runtime = startOn(here.server);
  const cart = { items: [1] };
  runtime.suanpan.track("e", { cart });
  cart.items.push(2);
  await runtime.drain();
  assert.deepEqual(here.server.named("e")[0].properties.cart, { items: [1] });
});

test("no call of the client throws, whatever it is given", async () => {
  const runtime = startOn(here.server);
  const odd = [undefined, null, 42, "", Symbol("s"), [], {}, () => {}, new Proxy({}, { ownKeys() { throw new Error("no"); }, get() { throw new Error("no"); } })];
  const { suanpan } = runtime;
  for (const call of Object.keys(suanpan).filter((name) => name !== "optOut")) for (const given of odd) suanpan[call](given);
  suanpan.track("still here");
  await runtime.drain();
  assert.equal(here.server.named("still here").length, 1);
});
