import type { Properties } from "../types";
import type { Platform } from "../platform";
import type { Answer, Dialect, MiniApi } from "./api";
import { SALT_BYTES, addRandomness } from "../ids";
import { follow } from "./lifecycle";
import { watchRequests } from "./requests";

/** A mini-program platform as the core sees it. */
export function miniPlatform(api: MiniApi, dialect: Dialect): Platform {
  // Our own requests use the function as it was before it was watched.
  const { request } = api;
  const { name, objects } = dialect;

  /** Calls the platform, if it has that. Each answers in its own form. */
  function ask(call: keyof MiniApi, ...given: unknown[]): any {
    const own = api[call] as undefined | ((...given: unknown[]) => unknown);
    return (own && own.apply(api, given)) || {};
  }

  ask("getRandomValues", {
    length: SALT_BYTES,
    success: ({ randomValues }: { randomValues: ArrayBuffer }) => addRandomness(randomValues),
  });

  return {
    name,
    scope: "",
    read(key) {
      const found = ask("getStorageSync", objects ? { key } : key);
      const text = objects ? found.data : found;
      return typeof text === "string" ? text : undefined;
    },
    write(key, data) {
      const { error } = ask("setStorageSync", objects ? { key, data } : key, data);
      if (error) throw error;
    },
    remove: (key) => ask("removeStorageSync", objects ? { key } : key),
    facts,
    send({ url, key, body }, done) {
      // The content type is application/json on all platforms, if nothing else is said.
      const header = { Authorization: `Bearer ${key}` };
      // Alipay tells any status but success by `fail`.
      const answered = (answer: Answer): void => {
        const headers = answer.header || answer.headers || {};
        done(answer.statusCode || answer.status || 0, answer.data, headers["Retry-After"] || headers["retry-after"]);
      };
      request.call(api, {
        url,
        method: "POST" as never,
        data: body as never,
        header,
        headers: header,
        success: answered,
        fail: answered,
      });
    },
    start(core) {
      const network = ({ networkType, isConnected }: { networkType: string; isConnected?: boolean }): void => {
        core.facts.$network = networkType;
        core.online(isConnected !== false && !/^no(ne|treachable)$/i.test(networkType));
      };
      follow(api, core);
      watchRequests(api, dialect, core);
      ask("getNetworkType", { success: network });
      ask("onNetworkStatusChange", network);
    },
  };

  function facts(): Properties {
    // The newer functions are cheap; the old one, which asks the system for everything, is not.
    const asked = api.getDeviceInfo ? ["getDeviceInfo", "getWindowInfo", "getAppBaseInfo"] : ["getSystemInfoSync"];
    const info = Object.assign({}, ...asked.map((call) => ask(call as keyof MiniApi)));
    // Each keeps it elsewhere, some only for released programs.
    const { miniProgram } = ask("getAccountInfoSync");
    const { microapp, appVersion } = ask("getEnvInfoSync");
    return {
      $app_version: (miniProgram && miniProgram.version) || (microapp && microapp.mpVersion) || appVersion,
      $os: info.platform,
      $os_version: info.system,
      $device_manufacturer: info.brand,
      $device_model: info.model,
      $screen_width: info.screenWidth,
      $screen_height: info.screenHeight,
      $locale: info.language,
      $host_version: info.version,
      $library_version: info.SDKVersion,
    };
  }
}
