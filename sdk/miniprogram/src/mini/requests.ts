// Latency and failures of the program's own requests.

import type { Core } from "../platform";
import type { Answer, Dialect, MiniApi } from "./api";
import { requestFacts } from "../requests";

type Callback = (this: unknown, answer: Answer) => void;

interface Given {
  url: string;
  method?: string;
  success?: Callback;
  fail?: Callback;
  complete?: Callback;
}

export function watchRequests(api: MiniApi, { promises }: Dialect, core: Core): void {
  if (!core.wants("request")) return;
  const own = api.request as unknown as (options: Given) => unknown;

  function request(this: unknown, given: Given): unknown {
    const ended = requestFacts(core, given.url, given.method);
    const heard = (answer: Answer = {}): void =>
      ended(answer.statusCode || answer.status || 0, answer.errMsg || answer.errorMessage);
    if (promises && !given.success && !given.fail && !given.complete) {
      const promise = own.call(this, given) as Promise<Answer>;
      if (promise && promise.then) promise.then(heard, heard);
      return promise;
    }
    const complete: Callback = function (answer) {
      heard(answer);
      if (given.complete) given.complete.call(this, answer);
    };
    return own.call(this, Object.assign({}, given, { complete }));
  }

  // Platforms define it by a getter, which an assignment would not replace.
  Object.defineProperty(api, "request", { configurable: true, writable: true, value: request });
}
