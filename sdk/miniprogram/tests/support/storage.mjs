// What lies below the platforms' storage calls.

import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** In memory, with a bound, and with counts of what is asked of it. */
export class MemoryStorage {
  entries = new Map();
  bytesMax = 10 * 1024 * 1024;
  writes = 0;
  bytesWritten = 0;

  get(key) {
    return this.entries.get(key);
  }

  set(key, text) {
    const others = [...this.entries].filter(([other]) => other !== key);
    const bytes = others.reduce((sum, [, value]) => sum + value.length, text.length);
    if (bytes > this.bytesMax) throw new Error("exceed storage max size 10Mb");
    this.writes += 1;
    this.bytesWritten += text.length;
    this.entries.set(key, text);
  }

  remove(key) {
    this.entries.delete(key);
  }
}

/** In files, one a key, so that it outlives a killed process. */
export class FileStorage {
  constructor(folder) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  get(key) {
    return readdirSync(this.folder).includes(key) ? readFileSync(join(this.folder, key), "utf8") : undefined;
  }

  set(key, text) {
    const unfinished = join(this.folder, `${key}.new`);
    writeFileSync(unfinished, text);
    renameSync(unfinished, join(this.folder, key));
  }

  remove(key) {
    rmSync(join(this.folder, key), { force: true });
  }
}
