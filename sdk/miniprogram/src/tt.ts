import type { MiniApi } from "./mini/api";
import { initFor } from "./mini/init";

export type * from "./types";

declare const tt: MiniApi;

/** Begins reporting from a Douyin mini-program. Call it before `App()`. */
export const init = initFor(() => tt, { name: "douyin" });
