// The files in types/ fit the declarations that the platforms' makers publish, and the package's own.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import ts from "typescript";

const LIB = ["lib.es2017.d.ts", "lib.es2020.bigint.d.ts"];
const DOM = ["lib.dom.d.ts", "lib.dom.iterable.d.ts"];

for (const [file, lib] of Object.entries({ wx: LIB, my: LIB, tt: LIB, use: [...LIB, ...DOM] })) {
  test(`types/${file}.ts`, () => {
    const program = ts.createProgram([join(import.meta.dirname, "types", `${file}.ts`)], {
      lib,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      noEmit: true,
      skipLibCheck: true,
      strict: true,
      target: ts.ScriptTarget.ES2017,
      types: [],
    });
    const faults = ts.getPreEmitDiagnostics(program);
    assert.equal(ts.formatDiagnostics(faults, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => "", getNewLine: () => "\n" }), "");
  });
}
