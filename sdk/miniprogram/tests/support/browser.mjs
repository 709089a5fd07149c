// Chromium: the one that $SUANPAN_CHROMIUM names, or Debian's package unpacked in the folder it names.

import { statSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

export function launch(options = {}) {
  return chromium.launch({ ...installed(), ...options });
}

function installed() {
  const place = process.env.SUANPAN_CHROMIUM;
  if (!place) throw new Error("SUANPAN_CHROMIUM names no Chromium: run scripts/sdk_tests.py, which fetches one");
  if (!statSync(place).isDirectory()) return { executablePath: place };
  const libraries = join(place, "usr/lib/x86_64-linux-gnu");
  return {
    executablePath: join(place, "usr/lib/chromium/chromium"),
    env: { ...process.env, LD_LIBRARY_PATH: `${libraries}:${libraries}/pulseaudio` },
  };
}
