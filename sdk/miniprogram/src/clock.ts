let before = Date.now();
let passed = 1;

/**
 * Milliseconds that never go back, from an arbitrary zero; never zero itself.
 *
 * The wall clock is set now and then. Where there is no monotonic clock, its steps back
 * count as nothing; a step forward can't be told from a long sleep.
 */
export function clock(): number {
  if (typeof performance === "object" && performance.now) return performance.now();
  const now = Date.now();
  passed += Math.max(0, now - before);
  before = now;
  return passed;
}
