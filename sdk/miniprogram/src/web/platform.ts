import type { Done, Platform, Request } from "../platform";
import { attempt } from "../attempt";
import { followQueues, newScope } from "./tabs";
import { follow } from "./pages";
import { watchRequests } from "./requests";

/** Below it, packing costs more than it saves. */
const GZIP_CHARS_MIN = 1_000;

/** A browser as the core sees it. */
export function webPlatform(): Platform {
  const { fetch } = window;
  // A browser may refuse it altogether; every use of it throws then, and the queue is in memory.
  const storage = attempt(() => localStorage) as Storage;
  // Our requests survive the page they come from, up to 64 KB at a time.
  const keepalive = typeof Request === "function" && "keepalive" in Request.prototype;
  const own = newScope();
  let gzip = typeof CompressionStream === "function";

  return {
    name: "web",
    scope: own,
    read: (key) => storage.getItem(key) || undefined,
    write: (key, text) => storage.setItem(key, text),
    remove: (key) => storage.removeItem(key),
    facts: () => ({
      $locale: navigator.language,
      $screen_width: screen.width,
      $screen_height: screen.height,
      $timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    }),
    send,
    start(core) {
      addEventListener("online", () => core.online(true));
      addEventListener("offline", () => core.online(false));
      core.online(navigator.onLine !== false);
      // Another tab logged in, or opted out.
      addEventListener("storage", ({ key }) => key && `${key}.q` === core.queues && core.reload());
      if (storage) followQueues(storage, core, own);
      follow(core);
      watchRequests(core);
    },
  };

  function send(request: Request, done: Done): void {
    if (request.leaving) return sendLast(request, done);
    const { url, key, body } = request;
    const headers: Record<string, string> = { "Content-Type": "application/json", Authorization: `Bearer ${key}` };
    if (!gzip || body.length < GZIP_CHARS_MIN) return post(url, { headers, body }, done);
    const packed = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
    new Response(packed).blob().then(
      (body) => {
        headers["Content-Encoding"] = "gzip";
        post(url, { headers, body }, (status, ...rest) => {
          // Perhaps something on the way refuses it, which a browser may not tell apart from no network.
          if (!status || status === 415) gzip = false;
          done(status, ...rest);
        });
      },
      () => post(url, { headers, body }, done),
    );
  }

  /** A request that needs no question to the server first, so that it starts while the page still lives. */
  function sendLast({ url, key, body }: Request, done: Done): void {
    const to = `${url}?key=${encodeURIComponent(key)}`;
    if (keepalive) post(to, { headers: { "Content-Type": "text/plain" }, body }, done);
    else if (navigator.sendBeacon) navigator.sendBeacon(to, body);
  }

  function post(url: string, init: RequestInit, done: Done): void {
    fetch(url, Object.assign({ method: "POST", keepalive, credentials: "omit" }, init)).then(
      (answer) =>
        answer.text().then(
          (text) => done(answer.status, text, answer.headers.get("retry-after")),
          () => done(0),
        ),
      () => done(0),
    );
  }
}
