import type { MiniApi } from "./mini/api";
import { initFor } from "./mini/init";

export type * from "./types";

declare const wx: MiniApi;

/** Begins reporting from a WeChat mini-program. Call it before `App()`. */
export const init = initFor(() => wx, { name: "wechat" });
