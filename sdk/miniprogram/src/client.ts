// The client: who reports, in which session, under which consent; what a call becomes.

import type { Options, Properties, Suanpan } from "./types";
import type { Platform } from "./platform";
import { attempt } from "./attempt";
import { clock } from "./clock";
import { newId } from "./ids";
import { openQueue } from "./queue";
import { BATCH_EVENTS, makeSender } from "./sender";
import { byteLength, clean, encode } from "./text";

declare const VERSION: string;

const SESSION_IDLE_MS = 1_800_000;
/** How old the stored time of the last activity may become while events come in. */
const SESSION_NOTED_MS = 60_000;
const SAVE_MS = 100;
const EVENT_BYTES_MAX = 32_000;
const ID_CHARS_MAX = 255;
/** Of each automatic event in a minute, so that an error in a loop does not fill the queue. */
const AUTOMATIC_A_MINUTE = 100;
/** Kept in memory while the person was not asked yet, since a first visit begins with them. */
const HELD = /^(launch|show|pageview)$/;
const HELD_MAX = 10;

/** What is stored of the person, the device and the session. */
interface State {
  deviceId?: string;
  userId?: string;
  sessionId?: string;
  /** Wall clock of the session's last activity. */
  active?: number;
  registered?: Properties;
  /** True: opted in; false: opted out; none: nothing was said. */
  consent?: boolean;
}

export function createClient(platform: Platform, given: Options): Suanpan {
  const options = Object.assign({}, given, { host: String(given && given.host).replace(/\/+$/, "") });
  const name = options.name || "suanpan";
  const queues = `${name}.q`;
  const eventsMax = within(options.queueEvents, 100, 500, 5_000);
  const flushMs = within(options.flushIntervalMs, 0, 5_000, 600_000);
  const bytesMax = within(options.queueBytes, 65_536, 1_048_576, 5_242_880);

  let state: State = {};
  let active = clock();
  let wasHidden = true;
  let dynamic = (): Properties | undefined => undefined;
  let saving = false;
  let savedAt = -SAVE_MS;
  let minuteEnd = 0;
  let emitted: Record<string, number> = {};
  /** Whether the platform was asked about the device: at the first event, not before consent. */
  let learnt = false;
  /** Automatic events that came before the person was asked. */
  let held: (() => void)[] = [];
  const facts: Properties = {};

  const say = (...words: unknown[]): void => {
    if (options.debug) console.log("[suanpan]", ...words);
  };

  const queue = openQueue(platform, queues + platform.scope, eventsMax, bytesMax, (reason) =>
    say("storage refused, in memory:", reason),
  );
  const sender = makeSender(platform, queue, options, say);

  function collecting(): boolean {
    return state.consent === undefined ? !options.waitForConsent : state.consent;
  }

  function readState(): void {
    state = attempt(() => JSON.parse(platform.read(name) as string)) || {};
  }

  function writeState(): void {
    if (collecting()) attempt(() => platform.write(name, JSON.stringify(state)));
  }

  /** Begins a session if there is none, or the last one was idle for too long. */
  function touch(): void {
    const now = Date.now();
    const noted = Math.abs(now - (state.active || 0));
    // Both clocks must say so: the wall clock may have been set, and other tabs note their activity by it.
    // While a program is hidden, its monotonic clock may stand still.
    const over = !state.sessionId || (noted > SESSION_IDLE_MS && (wasHidden || clock() - active > SESSION_IDLE_MS));
    if (over) {
      state.sessionId = newId();
      state.deviceId = state.deviceId || newId();
    }
    active = clock();
    wasHidden = false;
    if (over || noted > SESSION_NOTED_MS) {
      state.active = now;
      writeState();
    }
  }

  function report(event: string, properties: object, linked_id?: string): void {
    if (!collecting()) return;
    touch();
    const head = JSON.stringify({
      id: newId(),
      event: clean(event),
      time: Date.now(),
      user_id: state.userId,
      device_id: state.deviceId,
      linked_id,
      session_id: state.sessionId,
      platform: platform.name,
      app_version: options.appVersion || facts.$app_version,
      library: `suanpan-mini/${VERSION}`,
    }).slice(0, -1);
    const text = `${head},"properties":${encode(properties)}}`;
    const bytes = byteLength(text);
    push(bytes > EVENT_BYTES_MAX ? `${head},"properties":{"$too_large":${bytes}}}` : text);
  }

  function push(text: string): void {
    if (!collecting()) return;
    queue.push(text);
    save(savedAt + SAVE_MS - clock());
    sender.wake(options.debug || queue.count() >= BATCH_EVENTS ? 0 : flushMs);
  }

  /** Stores what came: one chunk in a turn, and in a burst ten times a second. */
  function save(afterMs: number): void {
    if (saving) return;
    saving = true;
    setTimeout(() => {
      const left = queue.save(false);
      saving = false;
      savedAt = clock();
      // One that is left is the newest, which fills up still.
      if (left > 0) save(left > 1 ? 0 : SAVE_MS);
    }, afterMs);
  }

  function track(event: string, properties?: Properties): void {
    if (!learnt && collecting()) {
      learnt = true;
      attempt(() => Object.assign(facts, platform.facts()));
    }
    const own = attempt(() => Object.assign({}, attempt(dynamic), properties));
    facts.$dropped_before = queue.dropped() || undefined;
    // Twice: what comes first stays if there are too many, what comes last counts.
    report(event, Object.assign({}, own, facts, state.registered, own));
  }

  function wants(event: string): boolean {
    const { automatic = {} } = options;
    return !!automatic && (automatic as Record<string, unknown>)[event] !== false;
  }

  function emit(event: string, properties?: Properties): void {
    if (!wants(event)) return;
    if (!collecting()) {
      if (state.consent === undefined && HELD.test(event)) held.push(() => emit(event, properties));
      held.splice(HELD_MAX);
      return;
    }
    if (clock() > minuteEnd) {
      minuteEnd = clock() + 60_000;
      emitted = {};
    }
    emitted[event] = (emitted[event] || 0) + 1;
    if (emitted[event] > AUTOMATIC_A_MINUTE) facts.$skipped = ((facts.$skipped as number) || 0) + 1;
    else track(`$${event}`, properties);
  }

  const profile =
    (kind: string, operation: string) =>
    (value: unknown): void =>
      report(`$profile_${kind}`, { [operation]: value });

  const unset = profile("unset", "$unset");

  const client: Suanpan = guarded({
    track,
    flush: sender.flush,
    login(userId) {
      const id = clean(userId, ID_CHARS_MAX);
      if (!id || id === state.userId) return;
      touch();
      state.userId = id;
      link("anonymous_id", state.deviceId);
      writeState();
    },
    logout() {
      delete state.userId;
      writeState();
    },
    reset() {
      state = { consent: state.consent };
      writeState();
    },
    identify(links) {
      for (const name in links) if (links[name]) link(name, clean(links[name], ID_CHARS_MAX));
    },
    setProfile: profile("set", "$set"),
    setOnceProfile: profile("set_once", "$set_once"),
    incrementProfile: profile("increment", "$add"),
    appendProfile: profile("append", "$append"),
    unsetProfile: (...names) => unset(names),
    register(properties) {
      state.registered = JSON.parse(encode(Object.assign({}, state.registered, properties)));
      writeState();
    },
    unregister(...names) {
      const registered = state.registered || {};
      names.forEach((name) => delete registered[name]);
      writeState();
    },
    registerDynamic(properties) {
      dynamic = properties || (() => undefined);
    },
    optIn() {
      state.consent = true;
      writeState();
      held.splice(0).forEach((again) => again());
    },
    optOut() {
      queue.clear();
      held = [];
      state = { consent: false };
      platform.write(name, JSON.stringify(state));
    },
    setDebug(on) {
      options.debug = on;
    },
    status: () =>
      Object.assign({}, state, {
        collecting: collecting(),
        queued: queue.count(),
        dropped: queue.dropped(),
        stored: queue.stored(),
      }),
  });

  /** Says that another id is of this person, too. */
  function link(name: string, id?: string): void {
    report("$identify", { [`$${name}`]: id }, id);
  }

  /** The same functions, but none of them throws. */
  function guarded<T extends object>(functions: T): T {
    for (const name in functions) {
      const own = functions[name] as (...given: unknown[]) => unknown;
      functions[name] = ((...given: unknown[]) => {
        try {
          return own(...given);
        } catch (reason) {
          say(name, reason);
        }
      }) as never;
    }
    return functions;
  }

  function begin(): void {
    readState();
    const { online } = sender;
    const calls = guarded({ wants, emit, hidden, online, push, reload, save: () => queue.save(true) });
    platform.start(Object.assign(calls, { facts, queues, clock }));
    if (collecting()) sender.wake(0);
  }

  function reload(): void {
    readState();
    if (!collecting()) queue.clear();
  }

  function hidden(leaving?: boolean): void {
    wasHidden = true;
    state.active = Date.now();
    writeState();
    queue.save(true);
    sender.flush(leaving);
  }

  guarded({ begin }).begin();
  return client;
}

/** A setting within its limits. */
function within(value = NaN, least: number, usual: number, most: number): number {
  return value >= least ? Math.min(value, most) : value < least ? least : usual;
}
