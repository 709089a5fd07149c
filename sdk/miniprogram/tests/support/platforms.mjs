// Stubs of the platforms' global objects, after their public documentation:
//
//   wx    https://developers.weixin.qq.com/miniprogram/dev/api/
//   my    https://opendocs.alipay.com/mini/api
//   tt    https://developer.open-douyin.com/docs/resource/zh-CN/mini-app/develop/api/
//   swan  https://smartprogram.baidu.com/docs/develop/api/
//   jd    documented as WeChat's interface under another name
//
// tests/types checks what is used of wx, my and tt against the declarations their makers publish.
// The network below `request` is real.

import { Agent, request as send } from "node:http";

const agent = new Agent({ keepAlive: false });

/** The parts that all platforms have in common; `runtime` gives time, storage and the count of requests. */
function shared(runtime) {
  return {
    networkListeners: [],
    updateListeners: {},
    onNetworkStatusChange(listener) {
      this.networkListeners.push(listener);
    },
    getUpdateManager() {
      const on = (name) => (listener) => (this.updateListeners[name] = listener);
      return { onCheckForUpdate: on("check"), onUpdateReady: on("ready"), onUpdateFailed: on("failed") };
    },
    perform(options, answered, failed) {
      const url = new URL(options.url);
      const headers = { "content-type": "application/json", ...(options.header ?? options.headers) };
      const body = typeof options.data === "object" ? JSON.stringify(options.data) : options.data;
      const end = runtime.beginRequest();
      let timer = 0;
      const once = (then) => (value) => {
        runtime.context.clearTimeout(timer);
        if (end()) then(value);
      };
      const request = send(url, { method: options.method ?? "GET", headers, agent }, (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.on("end", once(() => answered(response.statusCode, Buffer.concat(parts).toString(), response.headers)));
        response.on("error", once(failed));
      });
      request.on("error", once(failed));
      timer = runtime.context.setTimeout(() => {
        once(failed)(new Error("timeout"));
        request.destroy();
      }, options.timeout ?? 60_000);
      request.end(body);
      return { abort: () => request.destroy() };
    },
  };
}

/** As all but Alipay answer: any status is a success, data is parsed where it is JSON. */
function requestLikeWx(options) {
  const both = (callback, value) => {
    callback?.(value);
    options.complete?.(value);
  };
  return this.perform(
    options,
    (statusCode, text, header) => both(options.success, { statusCode, data: parsed(text), header, errMsg: "request:ok" }),
    (error) => both(options.fail, { errMsg: `request:fail ${error.message}` }),
  );
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function likeWx(runtime) {
  const { storage } = runtime;
  return {
    ...shared(runtime),
    request: requestLikeWx,
    getStorageSync: (key) => storage.get(key) ?? "",
    setStorageSync(key, data) {
      if (data.length > 1024 * 1024) throw new Error("setStorageSync:fail data exceed max size");
      storage.set(key, data);
    },
    removeStorageSync: (key) => storage.remove(key),
    getNetworkType: ({ success }) => success({ networkType: "wifi", errMsg: "getNetworkType:ok" }),
    getSystemInfoSync: () => ({ ...device, ...screen, ...host }),
  };
}

const device = { brand: "devtools", model: "iPhone 15", system: "iOS 17.4", platform: "ios" };
const screen = { screenWidth: 390, screenHeight: 844, pixelRatio: 3 };
const host = { SDKVersion: "3.8.1", version: "8.0.5", language: "zh_CN" };

export const platforms = {
  wx(runtime) {
    const api = {
      ...likeWx(runtime),
      getDeviceInfo: () => device,
      getWindowInfo: () => screen,
      getAppBaseInfo: () => host,
      getAccountInfoSync: () => ({ miniProgram: { appId: "wx1", envVersion: "release", version: "3.2.1" } }),
      getRandomValues: ({ length, success }) =>
        success({ randomValues: crypto.getRandomValues(new Uint8Array(length)).buffer }),
      performanceListeners: [],
      getPerformance: () => ({
        createObserver: (listener) => ({
          observe: ({ entryTypes }) => api.performanceListeners.push({ listener, entryTypes }),
        }),
      }),
    };
    // Only a getter, as in the client: an assignment would not replace it.
    const { request } = api;
    delete api.request;
    Object.defineProperty(api, "request", { configurable: true, get: () => request });
    return api;
  },

  jd: likeWx,

  tt: (runtime) => ({
    ...likeWx(runtime),
    getEnvInfoSync: () => ({ microapp: { mpVersion: "3.2.1", envType: "production", appId: "tt1" }, common: {} }),
  }),

  swan: (runtime) => ({
    ...likeWx(runtime),
    request: promising(requestLikeWx),
    getEnvInfoSync: () => ({ appKey: "s1", appVersion: "3.2.1", env: "production" }),
  }),

  my(runtime) {
    const { storage } = runtime;
    return {
      ...shared(runtime),
      request: promising(function (options) {
        const both = (callback, value) => {
          callback?.(value);
          options.complete?.(value);
        };
        return this.perform(
          options,
          (status, text, headers) => {
            const answer = { data: parsed(text), status, statusCode: status, headers, header: headers };
            if (status < 300) return both(options.success, answer);
            both(options.fail, { ...answer, error: 19, errorMessage: "http status error" });
          },
          (error) => both(options.fail, { error: 12, errorMessage: error.message }),
        );
      }),
      getStorageSync: ({ key }) => ({ data: storage.get(key) ?? null, success: true }),
      setStorageSync({ key, data }) {
        if (data.length > 200 * 1024) return { error: 14, errorMessage: "data length exceeds", success: false };
        try {
          storage.set(key, data);
          return { success: true };
        } catch {
          return { error: 12, errorMessage: "storage total size exceeds" };
        }
      },
      removeStorageSync: ({ key }) => storage.remove(key),
      getNetworkType: ({ success }) => success({ networkAvailable: true, networkType: "WIFI" }),
      getSystemInfoSync: () => ({ ...device, ...screen, ...host }),
      getWindowInfo: () => screen,
      getAppBaseInfo: () => host,
      getAccountInfoSync: () => ({ miniProgram: { appId: "2021", envVersion: "release", version: "3.2.1" } }),
    };
  },
};

/** A request without callbacks gives a promise. */
function promising(request) {
  return function (options) {
    if (options.success || options.fail || options.complete) return request.call(this, options);
    return new Promise((success, fail) => request.call(this, { ...options, success, fail }));
  };
}
