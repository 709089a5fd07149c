import type { MiniApi } from "./mini/api";
import { initFor } from "./mini/init";

export type * from "./types";

declare const my: MiniApi;

/** Begins reporting from a Alipay mini-program. Call it before `App()`. */
export const init = initFor(() => my, { name: "alipay", objects: true, promises: true });
