// What is used of a mini-program platform's documented API. Where platforms differ in a name or
// a form, both are here, and `Dialect` says which one it is. Most of it is optional: old
// versions of the platforms' base libraries lack it.

export interface MiniApi {
  request(options: RequestOptions): unknown;
  getStorageSync(key: never): unknown;
  setStorageSync(key: never, data?: string): unknown;
  removeStorageSync(key: never): unknown;
  onNetworkStatusChange?(listener: (network: { isConnected: boolean; networkType: string }) => void): unknown;
  getNetworkType?(options: { success(network: { networkType: string }): void }): unknown;
  getSystemInfoSync?(): unknown;
  getDeviceInfo?(): unknown;
  getWindowInfo?(): unknown;
  getAppBaseInfo?(): unknown;
  getAccountInfoSync?(): unknown;
  getEnvInfoSync?(): unknown;
  getRandomValues?(options: { length: number; success(answer: { randomValues: ArrayBuffer }): void }): unknown;
  getUpdateManager?(): UpdateManager;
  getPerformance?(): Performance;
}

export interface Performance {
  createObserver(listener: (list: { getEntries(): Timing[] }) => void): {
    observe(options: { entryTypes: string[] }): unknown;
  };
}

export interface Timing {
  name: string;
  duration: number;
  path?: string;
}

export interface UpdateManager {
  onCheckForUpdate(listener: (found: { hasUpdate: boolean }) => void): unknown;
  onUpdateReady(listener: () => void): unknown;
  onUpdateFailed(listener: () => void): unknown;
}

export interface RequestOptions {
  url: string;
  method?: never;
  data?: never;
  header?: Record<string, string>;
  headers?: Record<string, string>;
  success?(answer: Answer): void;
  fail?(answer: Answer): void;
}

/** An answer of `request`, in either form, or what its `fail` is told. */
export interface Answer {
  statusCode?: number;
  status?: number;
  data?: unknown;
  header?: Record<string, string>;
  headers?: Record<string, string>;
  errMsg?: string;
  errorMessage?: string;
  error?: unknown;
}

/** In what a platform differs from WeChat. */
export interface Dialect {
  /** The events' `platform`. */
  name: string;
  /** Storage calls take one object, and refuse by what they return. */
  objects?: boolean;
  /** `request` without callbacks gives a promise. */
  promises?: boolean;
}

/** What `App`, `Page` and `Component` are given. */
export type Definition = Record<string, unknown>;

/** What the handlers of a page are called on. */
export interface Page {
  route?: string;
  __route__?: string;
  uri?: string;
}

/** What the platform tells at launch and show. */
export interface Entry {
  scene?: number | string;
  path?: string;
  query?: Record<string, unknown>;
  shareTicket?: string;
  referrerInfo?: { appId?: string };
}

/** What a page gives to share, itself or later. */
export interface Shared {
  path?: string;
  query?: string;
  promise?: Promise<unknown>;
  then?: Promise<unknown>["then"];
}

export interface TapEvent {
  type: string;
  currentTarget: { id?: string; dataset: Record<string, unknown> };
}
