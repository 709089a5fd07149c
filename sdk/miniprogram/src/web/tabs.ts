// Tabs share one storage. Each keeps a queue of its own there, and holds a lock of the queue's
// name as long as it lives. Whoever gets the lock of another's queue knows that the tab is gone,
// and takes over what it left.
//
// Without locks (an insecure page, an old browser) a queue is taken over when it is a day old;
// should its tab live still, events are sent twice, and counted once.

import type { Core } from "../platform";
import { readChunk, readMeta } from "../queue";

const OLD_MS = 86_400_000;

/** The name of this tab's queue: when it began, and chance. */
export function newScope(): string {
  return `.${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
}

export function followQueues(storage: Storage, core: Core, own: string): void {
  const { locks } = navigator;
  const others = Object.keys(storage).filter((key) => {
    const [begun, chunk] = key.slice(core.queues.length + 1).split(".");
    return key.indexOf(`${core.queues}.`) === 0 && key !== core.queues + own && begun && chunk === undefined;
  });
  for (const queue of others) {
    if (locks) locks.request(queue, () => adopt(queue));
    else if (Date.now() - parseInt(queue.slice(core.queues.length + 1), 36) > OLD_MS) adopt(queue);
  }
  function adopt(queue: string): void {
    const read = (key: string): string | undefined => storage.getItem(key) || undefined;
    const [first, next] = readMeta(read, queue);
    for (let number = first; number < next; number++) readChunk(read, queue, number).forEach(core.push);
    core.save();
    for (let number = first; number < next; number++) storage.removeItem(`${queue}.${number}`);
    storage.removeItem(queue);
  }

  if (!locks) return;

  let release: () => void;
  const hold = (): void => {
    locks.request(core.queues + own, () => new Promise<void>((resolve) => (release = resolve)));
  };
  hold();
  // A page with a lock can't be kept for "back"; one that comes back still has its queue in memory.
  addEventListener("pagehide", () => release && release());
  addEventListener("pageshow", (event) => event.persisted && hold());
}
