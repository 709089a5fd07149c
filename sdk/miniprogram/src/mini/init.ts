import type { Options, Suanpan } from "../types";
import type { Dialect, MiniApi } from "./api";
import { createClient } from "../client";
import { miniPlatform } from "./platform";

/** The `init` of a platform: call it before `App()`, once; a second call gives the same client. */
export function initFor(api: () => MiniApi, dialect: Dialect): (options: Options) => Suanpan {
  let client: Suanpan | undefined;
  return (options) => (client = client || createClient(miniPlatform(api(), dialect), options));
}
