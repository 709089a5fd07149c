// Latency and failures of the page's own requests. Ours use `fetch` as it was before.

import type { Core } from "../platform";
import { requestFacts } from "../requests";

export function watchRequests(core: Core): void {
  if (!core.wants("request")) return;
  const { fetch } = window;

  window.fetch = function (input, init) {
    const request = input as Request;
    const ended = requestFacts(core, request.url || String(input), (init && init.method) || request.method);
    const answer = fetch.apply(this, arguments as never);
    answer.then(({ status }) => ended(status), (reason) => ended(0, reason));
    return answer;
  };

  const { open, send } = XMLHttpRequest.prototype;
  const opened = new WeakMap<XMLHttpRequest, [string, string]>();
  XMLHttpRequest.prototype.open = function (method: string, url: string | URL) {
    opened.set(this, [String(url), method]);
    return open.apply(this, arguments as never);
  };
  XMLHttpRequest.prototype.send = function () {
    const [url, method] = opened.get(this) || [""];
    const ended = requestFacts(core, url, method);
    this.addEventListener("loadend", () => ended(this.status), { once: true });
    return send.apply(this, arguments as never);
  };
}
