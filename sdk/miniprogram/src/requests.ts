import type { Core } from "./platform";

/** Notes a request that begins now; gives what is to be called when it ended (status 0: without an answer). */
export function requestFacts(core: Core, url: string, method = "GET"): (status: number, failure?: unknown) => void {
  const begun = core.clock();
  return ($status, failure) =>
    core.emit("request", {
      // The names in a query stay; the values, which may be personal, go, and so does the fragment.
      $url: String(url).replace(/=[^&#]*|#.*/g, ""),
      $method: method.toUpperCase(),
      $status,
      $duration_ms: Math.round(core.clock() - begun),
      $failure: $status ? undefined : String(failure),
    });
}
