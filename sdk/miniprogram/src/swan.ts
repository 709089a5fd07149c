import type { MiniApi } from "./mini/api";
import { initFor } from "./mini/init";

export type * from "./types";

declare const swan: MiniApi;

/** Begins reporting from a Baidu mini-program. Call it before `App()`. */
export const init = initFor(() => swan, { name: "baidu", promises: true });
