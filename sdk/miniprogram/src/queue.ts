// The events that wait for the server's word, in memory and in the platform's storage.
//
// Events lie in chunks, one storage key each, so that adding one event rewrites at most one
// chunk, however long the queue is. Keys, for a queue named Q:
//
//   Q      "first next dropped": the chunks' numbers are from first up to but not next;
//          how many events were dropped since the queue was first made
//   Q.N    the events of chunk N, one JSON text a line; a missing chunk is an empty one
//
// `next` is stored before the chunk it makes room for, so a kill in between loses nothing that
// was stored. A removed chunk is removed at once; that `first` lags behind does no harm.

import type { Platform } from "./platform";
import { attempt } from "./attempt";
import { byteLength } from "./text";

const CHUNK_EVENTS_MAX = 50;
/** Fits the strictest storage (Alipay: 200 KB a key) and what a page that goes away may still send (64 KB). */
const CHUNK_BYTES_MAX = 60_000;
/** Chunks looked for at start; more than the queue's bound ever makes, unless the storage was spoilt. */
const CHUNKS_MAX = 10_000;

interface Chunk {
  /** Its number in the storage; 0 until it is first stored. */
  number: number;
  events: string[];
  bytes: number;
  /** Whether the storage has it as it is here. */
  saved: boolean;
  /** Whether a request with its events is under way: they are not dropped now. */
  busy: boolean;
}

/** Events that are sent together, and the chunks they lie in. */
export interface Batch {
  chunks: Chunk[];
  events: string[];
}

export type Queue = ReturnType<typeof openQueue>;

type Read = Platform["read"];

/** From a queue's own key: its first and next chunk, and how many events were dropped. */
export function readMeta(read: Read, name: string): [number, number, number] {
  const [first, next, dropped] = (attempt(() => read(name)) || "").split(" ").map(Number);
  return [Math.max(first, next - CHUNKS_MAX) || 1, next || 1, dropped || 0];
}

export function readChunk(read: Read, name: string, number: number): string[] {
  return (attempt(() => read(`${name}.${number}`)) || "").split("\n").filter((line) => /^{[^]*}}$/.test(line));
}

export function openQueue(
  { read, write, remove }: Platform,
  name: string,
  eventsMax: number,
  bytesMax: number,
  refused: (reason: unknown) => void,
) {
  let chunks: Chunk[] = [];
  let events = 0;
  let bytes = 0;
  let stored = true;
  let [unread, next, dropped] = readMeta(read, name);
  let unreadEnd = next;
  let meta: string;

  function store(key: string, text: string): boolean {
    try {
      write(key, text);
      stored = true;
    } catch (reason) {
      if (stored) refused(reason);
      stored = false;
    }
    return stored;
  }

  function first(): number {
    return unread < unreadEnd ? unread : (chunks.length && chunks[0].number) || next;
  }

  function storeMeta(): boolean {
    const now = [first(), next, dropped].join(" ");
    if (now !== meta && store(name, now)) meta = now;
    return now === meta;
  }

  function storeChunk(chunk: Chunk): void {
    if (chunk.saved) return;
    chunk.number = chunk.number || next++;
    chunk.saved = storeMeta() && store(`${name}.${chunk.number}`, chunk.events.join("\n"));
  }

  function removeKey(number: number): void {
    if (number) attempt(() => remove(`${name}.${number}`));
  }

  /** A chunk got an event (`sign` 1) or lost one (-1). */
  function count(chunk: Chunk, event: string, sign: number): void {
    const size = sign * byteLength(event);
    chunk.saved = false;
    chunk.bytes += size;
    bytes += size;
    events += sign;
  }

  function newChunk(number: number): Chunk {
    return { number, events: [], bytes: 0, saved: false, busy: false };
  }

  function push(event: string): void {
    let tail = chunks[chunks.length - 1];
    const room = tail && tail.events.length < CHUNK_EVENTS_MAX && tail.bytes + byteLength(event) <= CHUNK_BYTES_MAX;
    if (!room) chunks.push((tail = newChunk(0)));
    tail.events.push(event);
    count(tail, event, 1);
    keepBound();
  }

  function keepBound(): void {
    while (events > eventsMax || bytes > bytesMax) {
      const oldest = chunks.find((chunk) => !chunk.busy);
      if (!oldest) return;
      count(oldest, oldest.events.shift() as string, -1);
      dropped++;
      removeEmpty(oldest);
    }
  }

  function removeEmpty(chunk: Chunk): void {
    if (chunk.events.length) return;
    chunks.splice(chunks.indexOf(chunk), 1);
    removeKey(chunk.number);
  }

  return {
    push,

    /** Reads the newest unread chunk of those that an earlier run left; false when there is none any more. */
    load(): boolean {
      if (unread >= unreadEnd) return false;
      const chunk = newChunk(--unreadEnd);
      chunk.events = readChunk(read, name, unreadEnd);
      chunk.events.forEach((event) => count(chunk, event, 1));
      chunk.saved = true;
      if (chunk.events.length) chunks.unshift(chunk);
      keepBound();
      return true;
    },

    /** Stores what is not stored: all of it, or one chunk. How many chunks are left for another turn, if any. */
    save(all: boolean): number {
      const unsaved = chunks.filter((chunk) => !chunk.saved);
      unsaved.slice(0, all ? unsaved.length : 1).forEach(storeChunk);
      return stored ? unsaved.length - 1 : 0;
    },

    /** The oldest events that may be sent now; they are stored, or the storage refuses them. */
    take(most: number): Batch {
      const batch: Batch = { chunks: [], events: [] };
      let room = CHUNK_BYTES_MAX;
      for (const chunk of chunks) {
        if (chunk.busy) continue;
        if (room < 0 || batch.events.length >= most) break;
        storeChunk(chunk);
        for (const event of chunk.events) {
          room -= byteLength(event);
          if (batch.events.length && (room < 0 || batch.events.length >= most)) break;
          batch.events.push(event);
          if (!chunk.busy) batch.chunks.push(chunk);
          chunk.busy = true;
        }
      }
      return batch;
    },

    /** Forgets those events of the batch that `isDone`, and frees the rest for another try. */
    settle(batch: Batch, isDone: (index: number) => unknown): void {
      const done = new Set(batch.events.filter((_, index) => isDone(index)));
      for (const chunk of batch.chunks) {
        chunk.busy = false;
        // The queue may have been cleared meanwhile.
        if (chunks.indexOf(chunk) < 0) continue;
        chunk.events = chunk.events.filter((event) => !done.has(event) || count(chunk, event, -1));
        removeEmpty(chunk);
        if (chunk.events.length) storeChunk(chunk);
      }
    },

    clear(): void {
      for (let number = first(); number < next; number++) removeKey(number);
      attempt(() => remove(name));
      chunks = [];
      unread = unreadEnd = next;
      events = bytes = dropped = 0;
      meta = "";
    },

    count: () => events,
    /** How many were dropped since the queue was first made. */
    dropped: () => dropped,
    /** False while the storage refuses the queue. */
    stored: () => stored,
  };
}
