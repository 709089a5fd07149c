// Builds the package: `node build.mjs [folder]`, by default into dist/.
//
// Each entry becomes one file without imports, as ES module (.mjs) and as CommonJS (.js), in the
// JavaScript of 2017, which all mini-program runtimes take; and its types. The build fails if
// a file is larger than promised.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const GZIPPED_BYTES_MAX = 6_000;
const MINI_PROGRAMS = ["wx", "jd", "my", "tt", "swan"];

/**
 * Names of fields that only our own code uses, and that may therefore become short ones. None of
 * them is stored, sent, part of the package's interface, or a name of a platform or a browser.
 */
const INTERNAL = [
  ...["bytes", "busy", "chunks", "events", "load", "number", "saved", "settle", "take", "wake"], // queue and sender
  ...["read", "write", "remove", "scope", "facts", "leaving", "start"], // platform
  ...["clock", "emit", "online", "queues", "reload", "wants"], // core
  ...["objects", "promises"], // dialects
];

const root = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(root, "dist"));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

async function bundle(name) {
  const { outputFiles } = await build({
    entryPoints: [join(root, "src", `${name}.ts`)],
    bundle: true,
    format: "esm",
    target: "es2017",
    minifySyntax: true,
    define: { VERSION: JSON.stringify(version) },
    write: false,
  });
  const { code } = await minify(outputFiles[0].text, {
    ecma: 2017,
    module: true,
    compress: { passes: 3 },
    mangle: { properties: { regex: new RegExp(`^(${INTERNAL.join("|")})$`) } },
  });
  return code;
}

function asCommonJs(code) {
  const [exported, inner] = /export\s*\{\s*(\w+) as init\s*\};?\s*$/.exec(code) ?? [];
  if (!exported) throw new Error(`an entry exports init, and nothing else: ${code.slice(-80)}`);
  return `${code.slice(0, -exported.length)}exports.init=${inner};`;
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
let tooLarge = false;
for (const name of [...MINI_PROGRAMS, "browser"]) {
  const code = await bundle(name);
  const commonJs = `"use strict";${asCommonJs(code)}`;
  writeFileSync(join(out, `${name}.mjs`), code);
  writeFileSync(join(out, `${name}.js`), commonJs);
  // For a script tag: it sets the global `suanpan`.
  if (name === "browser") {
    writeFileSync(join(out, "browser.global.js"), `var suanpan=(function(exports){${commonJs}return exports})({});`);
  }
  const bytes = Math.max(...[code, commonJs].map((text) => gzipSync(text, { level: 9 }).length));
  tooLarge ||= bytes > GZIPPED_BYTES_MAX;
  console.log(`${name.padEnd(7)} ${bytes} bytes gzipped, at most ${GZIPPED_BYTES_MAX}`);
}

const tsc = join(dirname(fileURLToPath(import.meta.resolve("typescript"))), "tsc.js");
execFileSync(process.execPath, [tsc, "--project", root, "--outDir", out], { stdio: "inherit" });
// Programs need the types of the entries and of the interface, not those of our modules.
const published = new Set([...MINI_PROGRAMS, "browser", "types"]);
for (const entry of readdirSync(out, { withFileTypes: true })) {
  const inner = entry.isDirectory() || (entry.name.endsWith(".d.ts") && !published.has(entry.name.slice(0, -5)));
  if (inner) rmSync(join(out, entry.name), { recursive: true });
}

if (tooLarge) {
  console.error(`A file has more than ${GZIPPED_BYTES_MAX} bytes gzipped.`);
  process.exitCode = 1;
}
