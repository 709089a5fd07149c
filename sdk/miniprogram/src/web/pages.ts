// The automatic events of a web page.

import type { Core } from "../platform";
import { errorFacts } from "../errors";

const BOTTOM_PX = 50;

export function follow(core: Core): void {
  const { emit, clock, wants } = core;
  let page: { path: string; at: number } | undefined;
  let previous: string | undefined;
  let shown = clock();
  let visible = true;
  let bottom = false;

  const { referrer } = document;
  const { origin, pathname, search } = location;
  // A page that another page of the same site led to is no new launch.
  if (referrer.indexOf(origin)) {
    emit("launch", { $path: pathname, $query: search.slice(1), $referrer: referrer || undefined });
  }
  emit("show");
  enter();

  for (const name of ["pushState", "replaceState"] as const) {
    const own = history[name];
    history[name] = function () {
      own.apply(this, arguments as never);
      // The program sets the title after this.
      setTimeout(enter);
    };
  }
  addEventListener("popstate", () => setTimeout(enter));
  addEventListener("hashchange", () => setTimeout(enter));

  document.addEventListener("visibilitychange", () => (document.visibilityState === "hidden" ? hide() : show()));
  addEventListener("pagehide", hide);
  addEventListener("pageshow", show);

  addEventListener("error", ({ error, message }) => message && emit("error", errorFacts(error || message)));
  addEventListener("unhandledrejection", ({ reason }) => emit("unhandled_rejection", errorFacts(reason)));

  document.addEventListener("click", tapped, true);
  if (wants("reach_bottom")) addEventListener("scroll", scrolled, { passive: true });
  if (document.readyState === "complete") setTimeout(timing);
  else addEventListener("load", () => setTimeout(timing));

  function enter(): void {
    const { pathname, search, hash } = location;
    // Programs that route by the fragment write a path into it.
    const path = pathname + (/^#!?\//.test(hash) ? hash.split("?")[0] : "");
    if (page && page.path === path) return;
    leave();
    bottom = false;
    page = { path, at: clock() };
    core.facts.$page_path = path;
    emit("pageview", {
      $page_path: path,
      $page_query: search.slice(1) || undefined,
      $page_title: document.title || undefined,
      $page_referrer: previous || referrer || undefined,
    });
    previous = path;
  }

  function leave(): void {
    if (page && visible) emit("page_leave", { $page_path: page.path, $stay_ms: Math.round(clock() - page.at) });
  }

  function hide(): void {
    if (!visible) return;
    leave();
    visible = false;
    emit("hide", { $duration_ms: Math.round(clock() - shown) });
    core.hidden(true);
  }

  function show(): void {
    if (visible) return;
    visible = true;
    shown = clock();
    if (page) page.at = shown;
    emit("show");
  }

  function tapped({ target }: Event): void {
    const element = target instanceof Element && target.closest<HTMLElement>("[data-track]");
    if (element) emit("tap", { $element: element.dataset.track, $element_id: element.id || undefined });
  }

  function scrolled(): void {
    const { scrollHeight } = document.documentElement;
    if (bottom || innerHeight + scrollY < scrollHeight - BOTTOM_PX) return;
    bottom = true;
    emit("reach_bottom");
  }

  function timing(): void {
    const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
    if (!navigation) return;
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    const { responseStart, domContentLoadedEventEnd, loadEventEnd } = navigation;
    emit("launch_time", {
      $duration_ms: Math.round(loadEventEnd),
      $first_byte_ms: Math.round(responseStart),
      $dom_ready_ms: Math.round(domContentLoadedEventEnd),
      $source: "platform",
    });
    if (paint) emit("page_render", { $duration_ms: Math.round(paint.startTime), $source: "platform" });
  }
}
