// From values of any kind to JSON text, in bounded time and without ever throwing.
//
// - Texts over 8,192 characters are cut. A bigint becomes a text of its digits.
// - NaN and the infinities become null. Functions, symbols and undefined are left out.
// - What has `toJSON`, as dates do, is what that gives.
// - A thing inside itself becomes "[circular]", one nested too deep "[too deep]", and an object
//   that throws when it is read "[unreadable]".
// - Of each list and object the first 255 entries are taken, and of all together the first 2,000.
// - In names, control characters become blanks; they are cut after 128 characters; an empty one is "_".

const TEXT_CHARS_MAX = 8192;
const NAME_CHARS_MAX = 128;
const ENTRIES_MAX = 255;
const VALUES_MAX = 2000;
/** Objects in objects, as the server takes them; the properties are the first. */
const DEPTH_MAX = 8;

let valuesLeft = 0;

/** The JSON text of an object. */
export function encode(object: object): string {
  valuesLeft = VALUES_MAX;
  return encodeValue(object, []) as string;
}

/** A name or an id as the server takes it. */
export function clean(name: unknown, charsMax = NAME_CHARS_MAX): string {
  return String(name)
    .replace(/[\0-\x1f\x7f-\x9f]/g, " ")
    .slice(0, charsMax);
}

/** How many bytes a text has in UTF-8. */
export function byteLength(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair is two of the pair's four bytes.
    if (unit > 0x7f) bytes += unit < 0x800 || unit >> 11 === 0x1b ? 1 : 2;
  }
  return bytes;
}

function encodeValue(value: unknown, above: unknown[]): string | undefined {
  if (valuesLeft-- < 0) return;
  if (typeof value === "bigint") return `"${value}"`;
  if (typeof value === "string" && value.length > TEXT_CHARS_MAX) value = `${value.slice(0, TEXT_CHARS_MAX)}…`;
  if (typeof value !== "object" || !value) return JSON.stringify(value);
  if (above.indexOf(value) >= 0) return '"[circular]"';
  if (above.length >= DEPTH_MAX) return '"[too deep]"';
  try {
    return encodeObject(value as Record<string, unknown>, above.concat([value]));
  } catch {
    return '"[unreadable]"';
  }
}

function encodeObject(value: Record<string, unknown>, above: unknown[]): string | undefined {
  if (typeof value.toJSON === "function") return encodeValue(value.toJSON(), above);
  if (Array.isArray(value)) {
    return `[${value.slice(0, ENTRIES_MAX).map((entry) => encodeValue(entry, above) || "null")}]`;
  }
  const parts = [];
  for (const name of Object.keys(value).slice(0, ENTRIES_MAX)) {
    const inner = encodeValue(value[name], above);
    if (inner) parts.push(`${JSON.stringify(clean(name) || "_")}:${inner}`);
  }
  return `{${parts}}`;
}
