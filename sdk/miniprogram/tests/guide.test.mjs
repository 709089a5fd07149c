// The guides' pieces of code run as they stand, and both guides say the same.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { launch } from "./support/browser.mjs";
import { DIST, Runtime } from "./support/runtime.mjs";
import { serverForEach } from "./support/start.mjs";

const here = serverForEach();
const ROOT = join(import.meta.dirname, "../../..");
const [english, chinese] = ["sdk.md", "sdk.zh.md"].map((name) => readFileSync(join(ROOT, "docs", name), "utf8"));

const blocks = (text) => [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({ language, code }));
const local = (code) => code.replaceAll("https://events.example.com", here.server.url).replaceAll("spw_KEY", here.server.key);
const purchase = () => here.server.named("purchase").map(({ properties }) => properties.amount);

test("both guides have the same code, and tables of the same size with the same names", () => {
  assert.deepEqual(blocks(chinese), blocks(english));
  const names = (text) => text.split("\n").filter((line) => line.startsWith("|")).map((line) => line.match(/`[^`]*`/g) ?? []);
  assert.deepEqual(names(chinese).map((row) => [...row].sort()), names(english).map((row) => [...row].sort()));
  const headings = (text) => (text.match(/^#+ /gm) ?? []).join("");
  assert.equal(headings(chinese), headings(english));
});

test("every automatic event is in the guide", () => {
  const types = readFileSync(join(import.meta.dirname, "../src/types.ts"), "utf8");
  const [, union] = /AutomaticEvent =([\s\S]*?);/.exec(types);
  const events = [...union.matchAll(/"(\w+)"/g)].map(([, name]) => name);
  assert.equal(events.length, 16);
  for (const name of events) assert.ok(new RegExp(`^\\| .*\`\\$${name}\``, "m").test(english), name);
});

for (const platform of ["wx", "jd", "my", "tt", "swan"]) {
  test(`${platform}: the three lines report`, async () => {
    const { code } = blocks(english).find(({ code }) => code.includes(`require("./${platform}.js")`));
    assert.equal(code.trim().split("\n").length, 3);
    const runtime = new Runtime(platform, here.server);
    runtime.context.require = () => runtime.load();
    runtime.run(local(code));
    runtime.launch();
    await runtime.pass(10_000);
    assert.deepEqual(purchase(), [19.9]);
    assert.equal(here.server.named("$launch").length, 1);
    assert.equal(typeof runtime.app.suanpan.track, "function");
  });
}

test("web: the three lines report, as a module and by a script tag", async () => {
  const [asModule] = blocks(english).filter(({ code }) => code.includes("suanpan-miniprogram/browser"));
  const [byTag] = blocks(english).filter(({ language }) => language === "html");
  for (const { code } of [asModule, byTag]) assert.equal(code.trim().split("\n").length, 3);
  const { pages } = here.server;
  for (const file of ["browser.mjs", "browser.global.js"]) pages.set(`/${file}`, ["text/javascript", readFileSync(join(DIST, file), "utf8")]);
  pages.set("/tag", ["text/html", `<!doctype html>${local(byTag.code)}`]);
  pages.set("/module", ["text/html", `<!doctype html><script type="module">${local(asModule.code).replace("suanpan-miniprogram/browser", "/browser.mjs")}</script>`]);
  const browser = await launch();
  try {
    for (const [index, path] of ["/tag", "/module"].entries()) {
      const tab = await browser.newPage();
      await tab.goto(here.server.url + path);
      while (purchase().length <= index) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.deepEqual(purchase(), [19.9, 19.9]);
  } finally {
    await browser.close();
  }
});
