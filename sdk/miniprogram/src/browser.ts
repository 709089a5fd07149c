import type { Options, Suanpan } from "./types";
import { createClient } from "./client";
import { webPlatform } from "./web/platform";

export type * from "./types";

let client: Suanpan | undefined;

/** Begins reporting from a web page. A second call gives the same client. */
export function init(options: Options): Suanpan {
  return (client = client || createClient(webPlatform(), options));
}
