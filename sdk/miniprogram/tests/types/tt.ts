/// <reference types="@douyin-microapp/typings" />
// What we use of Douyin's platform is what its makers declare.
import type { MiniApi } from "../../src/mini/api";

// Its update manager is declared to have functions, but not which.
tt satisfies Omit<MiniApi, "getUpdateManager">;
tt.getUpdateManager().onUpdateReady satisfies CallableFunction;
tt.getEnvInfoSync().microapp.mpVersion satisfies string;
