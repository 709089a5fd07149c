/** Bytes of the platform's own generator, which some give only by a callback. */
let salt = new Uint8Array(36);

export const SALT_BYTES = salt.length;

export function addRandomness(bytes: ArrayBuffer): void {
  salt = new Uint8Array(bytes);
}

/** A UUID of version 7 (RFC 9562): it begins with the time, so ids sort as they were made. */
export function newId(): string {
  const time = Date.now().toString(16).padStart(12, "0");
  const bytes = typeof crypto === "object" && crypto.getRandomValues ? crypto.getRandomValues(new Uint8Array(36)) : salt;
  return `${time.slice(0, 8)}-${time.slice(8)}-7xxx-yxxx-xxxxxxxxxxxx`.replace(/[xy]/g, (kind, place) => {
    const digit = (bytes[place] ^ (Math.random() * 256)) & 15;
    return (kind === "x" ? digit : (digit & 3) | 8).toString(16);
  });
}
