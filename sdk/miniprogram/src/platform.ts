import type { Properties } from "./types";

/** What the core needs of a mini-program platform or a browser. */
export interface Platform {
  /** The events' `platform`. */
  name: string;
  /** Sets this run's queue apart where several runs share a storage, as tabs do. */
  scope: string;
  /** Storage. Each may throw; `write` must, when the text is not stored. */
  read(key: string): string | undefined;
  write(key: string, text: string): void;
  remove(key: string): void;
  /** Sends a body and calls `done` at most once. */
  send(request: Request, done: Done): void;
  /** What is known of the device, and as `$app_version` of the program; asked once. */
  facts(): Properties;
  /** Begins the automatic events. */
  start(core: Core): void;
}

export interface Request {
  url: string;
  key: string;
  body: string;
  /** The page goes away: the request must outlive it, and nobody may hear the answer. */
  leaving: boolean | undefined;
}

/** Status 0 means that there was no answer. The answer is JSON text, or already read. */
export type Done = (status: number, answer?: unknown, retryAfterS?: unknown) => void;

/** What the automatic events need of the core. */
export interface Core {
  /** Whether this automatic event is wanted, by its name without `$`. */
  wants(event: string): boolean;
  /** Reports an automatic event, if it is wanted, within the limit of each minute. */
  emit(event: string, properties?: Properties): void;
  /** Changes facts that stand in every event. */
  facts: Properties;
  /** The program was hidden, perhaps for ever; `leaving`, if ordinary requests may end with it. */
  hidden(leaving?: boolean): void;
  /** Says whether there is a network, as far as the platform knows. */
  online(is: boolean): void;
  /** Another run changed what is stored of the person. */
  reload(): void;
  /** Adds an event as it was stored by a run that ended. */
  push(event: string): void;
  /** Stores all that waits. */
  save(): unknown;
  /** Where the queues of all runs begin in the storage. */
  queues: string;
  /** Milliseconds of a clock that never goes back. */
  clock(): number;
}
