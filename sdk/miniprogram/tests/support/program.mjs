// A program in a process of its own, to be killed: `node program.mjs FOLDER URL KEY FROM COUNT`.
//
// Its storage are the files of FOLDER. It tracks COUNT events numbered from FROM, prints
// "stored N" as soon as N of them are in the storage, and "empty" when nothing waits any more.

import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { platforms } from "./platforms.mjs";
import { FileStorage } from "./storage.mjs";

const [folder, host, key, from, count] = process.argv.slice(2);
const LOOK_MS = 20;

function beginRequest() {
  let open = true;
  return () => open && !(open = false);
}

globalThis.wx = platforms.wx({ storage: new FileStorage(folder), context: globalThis, beginRequest });
const dist = process.env.SUANPAN_SDK_DIST ?? join(import.meta.dirname, "../../dist");
const suanpan = createRequire(import.meta.url)(join(dist, "wx.js")).init({ host, key, automatic: false });
for (let n = 0; n < +count; n++) suanpan.track("e", { n: +from + n });

const seen = new Set();
let said = 0;
setInterval(() => {
  const chunks = readdirSync(folder).filter((name) => /\.q\.\d+$/.test(name));
  const text = chunks.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
  for (const [, n] of text.matchAll(/"n":(\d+)/g)) if (+n >= +from && +n < +from + +count) seen.add(n);
  if (seen.size > said) console.log(`stored ${(said = seen.size)}`);
  if (!chunks.length && !suanpan.status().queued && said === +count) console.log("empty");
}, LOOK_MS);
