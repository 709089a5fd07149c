/// <reference types="@mini-types/alipay" />
// What we use of Alipay's platform is what its makers declare.
import type { Entry, MiniApi } from "../../src/mini/api";

my satisfies Omit<MiniApi, "getRandomValues" | "getPerformance" | "getDeviceInfo">;
my.getStorageSync({ key: "" }).data satisfies unknown;
my.setStorageSync({ key: "", data: "" }).error satisfies number | undefined;
declare const entry: MiniProgram.App.LaunchOptions;
entry satisfies Entry;
