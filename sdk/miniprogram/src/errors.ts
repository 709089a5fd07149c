import type { Properties } from "./types";

const MESSAGE_CHARS_MAX = 1_000;
const STACK_CHARS_MAX = 4_000;

/** What is told of an error: an `Error`, or a text whose first line is the message and the rest the stack. */
export function errorFacts(error: unknown): Properties {
  const { message = String(error), stack } = (error || {}) as Partial<Error>;
  const [first, ...rest] = message.split("\n");
  return {
    $message: first.slice(0, MESSAGE_CHARS_MAX),
    $stack: (stack || rest.join("\n")).slice(0, STACK_CHARS_MAX),
  };
}
