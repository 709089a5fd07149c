/** Values of your own. What becomes of each kind of value is said in text.ts. */
export type Properties = Record<string, unknown>;

/** The automatic events, without their `$`. */
export type AutomaticEvent =
  | "launch"
  | "show"
  | "hide"
  | "pageview"
  | "page_leave"
  | "share"
  | "share_back"
  | "tap"
  | "pull_down"
  | "reach_bottom"
  | "app_update"
  | "error"
  | "unhandled_rejection"
  | "request"
  | "launch_time"
  | "page_render";

export interface Options {
  /** Where Suanpan is reached, such as `https://events.example.com`. */
  host: string;
  /** A write key of the app. It may stand in a published client. */
  key: string;
  /** The version of your program; where the platform tells it, it need not be given. */
  appVersion?: string;
  /** Prints what the server says of each event, and marks the events as debug traffic. */
  debug?: boolean;
  /** Which automatic events are reported: all (`true`, the default), none, or all but those set to `false`. */
  automatic?: boolean | Partial<Record<AutomaticEvent, boolean>>;
  /** Collect and store nothing until `optIn()` was called once on this device. Default `false`. */
  waitForConsent?: boolean;
  /** Events kept for sending, 100 to 5,000; beyond it the oldest go. Default 500. */
  queueEvents?: number;
  /** Bytes kept for sending, 65,536 to 5,242,880; beyond it the oldest go. Default 1 MiB. */
  queueBytes?: number;
  /** How long an event may wait for others, 0 to 600,000. Default 5,000; at once in debug mode. */
  flushIntervalMs?: number;
  /** Prefix of the keys in the platform's storage; each client of a program needs its own. Default `suanpan`. */
  name?: string;
}

/** What can be linked to a person beside the user id. */
export interface Links {
  openid?: string;
  unionid?: string;
  [name: string]: string | undefined;
}

/** How the client stands; for tests and for support screens. */
export interface Status {
  deviceId?: string;
  userId?: string;
  sessionId?: string;
  /** The registered properties. */
  registered?: Properties;
  /** Whether events are collected: consent was given or not needed, and not withdrawn. */
  collecting: boolean;
  /** Events that wait for the server's word. */
  queued: number;
  /** Events dropped by the queue's bound and not yet told to the server. */
  dropped: number;
  /** Whether the queue is in the platform's storage, or only in memory because that refused it. */
  stored: boolean;
}

/** None of its methods throws or waits. */
export interface Suanpan {
  /** Reports that something happened. */
  track(event: string, properties?: Properties): void;
  /** Sends what waits, unless the server asked for a pause. */
  flush(): void;

  /** From now on this is the user; the anonymous id is linked to it. */
  login(userId: string | number): void;
  /** The user is not known any more; the device's anonymous id stays. */
  logout(): void;
  /** Another person begins: a new anonymous id, no user, no registered properties, a new session. */
  reset(): void;
  /** Links the person to ids of other systems, such as the platform's openid and unionid. */
  identify(links: Links): void;

  /** Sets attributes of the person. */
  setProfile(properties: Properties): void;
  /** Sets those that have no value yet. */
  setOnceProfile(properties: Properties): void;
  /** Adds to numbers. */
  incrementProfile(amounts: Record<string, number>): void;
  /** Appends to lists. */
  appendProfile(properties: Properties): void;
  /** Removes attributes. */
  unsetProfile(...names: string[]): void;

  /** Properties that every event gets from now on, over restarts too. */
  register(properties: Properties): void;
  unregister(...names: string[]): void;
  /** A function that is asked for more properties at each event; one that throws adds none. */
  registerDynamic(properties: (() => Properties) | undefined): void;

  /** Begins collecting. */
  optIn(): void;
  /** Stops collecting, forgets what waits and who this is; holds over restarts. */
  optOut(): void;

  setDebug(on: boolean): void;
  status(): Status;
}
