// The automatic events of a mini-program, from what the platform calls in App, Page and Component.
//
// The program's own handlers are called as before: with their `this` and arguments, their
// result is returned, what they throw is thrown. What we do beside them is kept from throwing.

import type { Properties } from "../types";
import type { Core } from "../platform";
import type { Definition, Entry, MiniApi, Page, Performance, Shared, TapEvent, UpdateManager } from "./api";
import { attempt } from "../attempt";
import { errorFacts } from "../errors";
import { newId } from "../ids";

/** The query parameter by which a shared page tells which share it came from. */
const SHARE = "sp_share";

type Definer = (this: unknown, definition: Definition) => unknown;
/** Each handler is given something else, and what that is, the platform decides. */
type Hook = (self: Page, event: any, result?: unknown) => unknown;

declare let App: Definer;
declare let Page: Definer;
declare let Component: Definer;

export function follow(api: MiniApi, core: Core): void {
  const { emit, wants, clock, facts } = core;
  const loaded = new WeakMap<object, { query?: string; at: number }>();
  const measured = !attempt(() => observePerformance(api.getPerformance!(), core));
  let entered: number | undefined;
  let launched: number | undefined;
  let shown = clock();
  let previous: string | undefined;
  let shareSeen: string | undefined;
  let tapSeen: unknown;

  // A platform that lacks one of these goes without it.
  attempt(() => (App = hooked(App, (_, definition) => app(definition))));
  attempt(() => (Page = hooked(Page, (_, definition) => pageIn(definition))));
  // A component may be used as a page, whose handlers are then among its methods.
  const component: Hook = (_, definition) => pageIn((definition.methods = definition.methods || {}), true);
  attempt(() => (Component = hooked(Component, component)));
  attempt(() => watchUpdates(api.getUpdateManager!(), core));

  function passed(since: number): number {
    return Math.round(clock() - since);
  }

  function app(definition: Definition): void {
    hook(definition, "onLaunch", (_, entry) => {
      launched = clock();
      emit("launch", entryFacts(entry));
    });
    hook(definition, "onShow", (_, entry) => {
      shown = clock();
      emit("show", entryFacts(entry));
      sharedBack(entry || {});
    });
    hook(definition, "onHide", () => {
      leave();
      emit("hide", { $duration_ms: passed(shown) });
      core.hidden();
    });
    hook(definition, "onError", (_, error) => emit("error", errorFacts(error)));
    hook(definition, "onUnhandledRejection", (_, { reason }) => emit("unhandled_rejection", errorFacts(reason)));
  }

  function sharedBack({ query, shareTicket, scene }: Entry): void {
    const $share_id = query && (query[SHARE] as string);
    const share = $share_id || shareTicket;
    // Coming back from the background tells the same share again.
    if (share && share !== shareSeen) {
      emit("share_back", { $share_id, $share_ticket: shareTicket, $scene: scene && `${scene}` });
    }
    shareSeen = share;
  }

  function pageIn(methods: Definition, component?: boolean): void {
    if (wants("tap")) Object.keys(methods).forEach((name) => methods[name] && hook(methods, name, tapped));
    hook(methods, "onLoad", (self, query) => loaded.set(self, { query: queryText(query), at: clock() }));
    hook(methods, "onShow", enter);
    hook(methods, "onReady", (self) => {
      const load = loaded.get(self);
      if (!measured || !load || !pathOf(self)) return;
      if (launched) emit("launch_time", { $duration_ms: passed(launched) });
      launched = 0;
      emit("page_render", { $duration_ms: passed(load.at) });
    });
    hook(methods, "onHide", leave);
    hook(methods, "onUnload", leave);
    if (!component || methods.onPullDownRefresh) hook(methods, "onPullDownRefresh", () => emit("pull_down"));
    if (!component || methods.onReachBottom) hook(methods, "onReachBottom", () => emit("reach_bottom"));
    // Without a handler of the program's own, pages can't be shared, or are by the platform's rules.
    for (const name of ["onShareAppMessage", "onShareTimeline"]) {
      if (methods[name] && wants("share")) hook(methods, name, undefined, share);
    }

    function share(self: Page, event: { from?: string } | undefined, result: unknown): unknown {
      const mark = newId();
      emit("share", { $share_id: mark, $share_from: event ? event.from : "timeline" });
      return marked(result, mark, pathOf(self), (loaded.get(self) || {}).query);
    }
  }

  function enter(self: Page): void {
    const path = pathOf(self);
    if (!path) return;
    leave();
    entered = clock();
    facts.$page_path = path;
    emit("pageview", {
      $page_query: (loaded.get(self) || {}).query,
      $page_referrer: previous,
    });
    previous = path;
  }

  function leave(): void {
    if (entered) emit("page_leave", { $stay_ms: passed(entered) });
    entered = 0;
  }

  function tapped(_: unknown, event?: TapEvent): void {
    // A handler may hand its event on to another one.
    if (!event || event.type !== "tap" || event === tapSeen) return;
    tapSeen = event;
    const { id, dataset } = event.currentTarget;
    if (dataset.track) emit("tap", { $element: `${dataset.track}`, $element_id: id });
  }
}

/** What a page gives to share, with the share's mark in its path, or in its query for the timeline. */
function marked(content: unknown, mark: string, path: string, query: string | undefined): unknown {
  if (!content || typeof content !== "object") return content;
  const again = (later: unknown): unknown => marked(later, mark, path, query);
  const given = content as Shared;
  if (given.then) return given.then(again);
  const [page, own] = (given.path || `/${path}?${given.query || query || ""}`).split("?");
  // A mark by which this person came is replaced.
  const parts = (own || "").split("&").filter((part) => part && part.indexOf(`${SHARE}=`));
  const all = parts.concat(`${SHARE}=${mark}`).join("&");
  const { promise } = given;
  return Object.assign({}, given, { path: `${page}?${all}`, query: all }, promise && { promise: promise.then(again) });
}

/**
 * A function with `before` called in front of it, whose result `after` sees, and may change.
 * A proxy keeps what else it is: its length, its own properties, a class.
 */
function hooked<F extends object>(own: F, before?: Hook, after?: Hook): F {
  return new Proxy(own, {
    apply(_, self, given: never[]) {
      if (before) attempt(() => before(self, given[0]));
      const result = (own as unknown as Hook).apply(self, given as never);
      return (after && attempt(() => after(self, given[0], result))) || result;
    },
  });
}

function hook(methods: Definition, name: string, before?: Hook, after?: Hook): void {
  const own = methods[name] || (() => {});
  if (typeof own === "function") methods[name] = hooked(own, before, after);
}

function pathOf(page: Page): string {
  return page.route || page.__route__ || page.uri || "";
}

function queryText(query: Record<string, unknown> = {}): string {
  return Object.keys(query)
    .map((name) => `${name}=${query[name]}`)
    .join("&");
}

function entryFacts({ scene, path, query, shareTicket, referrerInfo }: Entry = {}): Properties {
  return {
    $scene: scene && `${scene}`,
    $path: path,
    $query: queryText(query),
    $share_ticket: shareTicket,
    $referrer_app: referrerInfo && referrerInfo.appId,
  };
}

function watchUpdates(manager: UpdateManager, { emit }: Core): void {
  const tell = ($state: string) => (): void => emit("app_update", { $state });
  manager.onCheckForUpdate(({ hasUpdate }) => hasUpdate && tell("found")());
  manager.onUpdateReady(tell("ready"));
  manager.onUpdateFailed(tell("failed"));
}

/** Whether the platform itself tells how long launch and rendering took. */
function observePerformance(performance: Performance, { emit }: Core): boolean {
  const names: Record<string, string> = { appLaunch: "launch_time", firstRender: "page_render" };
  const observer = performance.createObserver((list) =>
    list.getEntries().forEach(({ name, duration, path }) => {
      if (names[name]) {
        emit(names[name], { $page_path: path, $duration_ms: Math.round(duration) });
      }
    }),
  );
  observer.observe({ entryTypes: ["navigation", "render"] });
  return true;
}
