// When a batch is sent, and what becomes of its events by the server's answer.
//
//   answer                        the events          the next try
//   200 with a result for each    `retry` stays       at once; after a pause if any stayed
//   200 of somebody else, 408,
//   425, 429, 5xx, none           stay                after a growing pause
//   401, 403, 404, 405, 407,
//   410, 421                      stay                after an hour: the key or the host is wrong
//   413, other 4xx                stay                at once with half as many;
//                                 one alone: dropped  after a growing pause

import type { Options } from "./types";
import type { Done, Platform } from "./platform";
import type { Batch, Queue } from "./queue";
import { attempt } from "./attempt";
import { clock } from "./clock";

/** Events in one request. */
export const BATCH_EVENTS = 50;
const PAUSE_FIRST_MS = 2_000;
const PAUSE_MAX_MS = 300_000;
/** For a refused key, and the most that a server may ask for. */
const HOUR_S = 3_600;
/** Above what platforms wait for an answer; a platform that forgets a request must not stop us. */
const ANSWER_MS = 40_000;

/** The server's word on one event; debug mode prints all of it. */
interface Result {
  status: string;
}

export function makeSender(
  platform: Platform,
  queue: Queue,
  options: Options,
  say: (...words: unknown[]) => void,
) {
  let busy = false;
  let connected = true;
  let failures = 0;
  let notBefore = 0;
  let most = BATCH_EVENTS;
  let timer: ReturnType<typeof setTimeout> | 0 = 0;
  let timerAt: number;

  /** Sees to it that `flush` is called after this time, or earlier. */
  function wake(afterMs: number): void {
    const at = Math.max(clock() + afterMs, notBefore);
    if (timer && timerAt <= at) return;
    clearTimeout(timer);
    timerAt = at;
    timer = setTimeout(() => {
      timer = 0;
      flush();
    }, at - clock());
  }

  /** Sends what waits, if it may; `leaving`: one last request, beside one that may be under way. */
  function flush(leaving?: boolean): void {
    if (queue.load()) return wake(0);
    if ((busy && !leaving) || !connected || !queue.count()) return;
    if (clock() < notBefore) return wake(0);
    const batch = queue.take(most);
    if (!batch.events.length) return;
    busy = true;
    send(batch, leaving, (status, results, retryAfterS) => {
      busy = false;
      decide(batch, status, results, retryAfterS);
      wake(0);
    });
  }

  function send(batch: Batch, leaving: boolean | undefined, done: (...answer: [number, Result[]?, number?]) => void): void {
    const events = `"events":[${batch.events}]`;
    const body = `{"sent_at":${Date.now()},${options.debug ? '"debug":true,' : ""}${events}}`;
    const request = { url: `${options.host}/v1/events`, key: options.key, body, leaving };
    let giveUp: ReturnType<typeof setTimeout> | 0 = 0;
    const answered: Done = (status, answer, retryAfterS) => {
      if (!giveUp) return;
      clearTimeout(giveUp);
      giveUp = 0;
      done(status, status === 200 ? resultsOf(answer, batch.events.length) : undefined, Number(retryAfterS) || 0);
    };
    giveUp = setTimeout(answered, ANSWER_MS, 0);
    if (!attempt(() => (platform.send(request, answered), true))) answered(0);
  }

  function decide(batch: Batch, status: number, results?: Result[], retryAfterS?: number): void {
    const { length } = batch.events;
    const refused = /^4(0[13457]|10|21)$/.test(`${status}`);
    const unfit = !refused && /^4(?!08|25|29)/.test(`${status}`);
    queue.settle(batch, (index) => (results ? results[index].status !== "retry" : unfit && length < 2));
    if (results) {
      most = Math.min(BATCH_EVENTS, most * 2);
      if (options.debug) {
        results.forEach((result, index) => say(JSON.parse(batch.events[index]).event, JSON.stringify(result)));
      }
      if (results.some((result) => result.status === "retry")) pause(retryAfterS);
      else failures = 0;
    } else if (unfit && length > 1) {
      most = Math.ceil(length / 2);
    } else {
      pause(refused ? HOUR_S : retryAfterS);
      const what = refused ? "check host and key" : unfit ? `dropped ${batch.events}` : "";
      say(`status ${status}, paused for ${Math.round(notBefore - clock())} ms`, what);
    }
  }

  /** Twice as long each time, half of it by chance, and never less than the server asks for. */
  function pause(askedS = 0): void {
    const growing = Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** failures);
    failures = Math.min(failures + 1, 9);
    notBefore = clock() + Math.max(growing * (0.5 + Math.random() / 2), Math.min(askedS, HOUR_S) * 1000);
  }

  return {
    flush,
    wake,
    online(is: boolean): void {
      connected = is;
      wake(0);
    },
  };
}

/** Its word on each event; nothing, if it was not the server that answered, or not about these. */
function resultsOf(answer: unknown, count: number): Result[] | undefined {
  const { results } = attempt(() => (typeof answer === "string" ? JSON.parse(answer) : answer)) || {};
  return Array.isArray(results) && results.length === count && results.every(Boolean)
    ? results
    : undefined;
}
