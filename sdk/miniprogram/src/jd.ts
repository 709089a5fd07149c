import type { MiniApi } from "./mini/api";
import { initFor } from "./mini/init";

export type * from "./types";

declare const jd: MiniApi;

/** Begins reporting from a JD mini-program. Call it before `App()`. */
export const init = initFor(() => jd, { name: "jd" });
