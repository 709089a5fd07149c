// A small server of Suanpan's own format (docs/event-format.md), with faults on demand.

import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Headers": "authorization, content-type, content-encoding",
  "Access-Control-Expose-Headers": "retry-after",
  "Access-Control-Max-Age": "600",
};

export class Server {
  /** Events as they were stored: each id once. */
  stored = [];
  /** Bodies of all requests that were read, with what came beside them. */
  requests = [];
  /** What the next requests meet, one each: see `#meet`. */
  faults = [];
  /** Requests that get no answer. */
  hanging = 0;
  /** Decides an event's result by itself: gives a result, or nothing. */
  judge = () => undefined;
  /** Called with each request before it is judged. */
  onRequest = () => {};
  /** Other paths and what they answer: [content type, text]. */
  pages = new Map();
  key = "sp_write";

  #ids = new Set();
  #http;

  static async start() {
    const server = new Server();
    server.#http = createServer((request, response) => server.#handle(request, response));
    await new Promise((resolve) => server.#http.listen(0, "127.0.0.1", resolve));
    server.url = `http://127.0.0.1:${server.#http.address().port}`;
    return server;
  }

  async stop() {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  named(name) {
    return this.stored.filter(({ event }) => event === name);
  }

  async #handle(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const url = new URL(request.url, this.url);
    const page = this.pages.get(url.pathname);
    if (page) return answer(response, 200, page[1], { "Content-Type": page[0] });
    if (request.method === "OPTIONS") return answer(response, 204, "");
    if (url.pathname !== "/v1/events") return answer(response, 404, "{}");
    this.#report(request, url, Buffer.concat(parts), response);
  }

  #report(request, url, bytes, response) {
    const { headers } = request;
    const body = headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes;
    const key = url.searchParams.get("key") ?? (headers.authorization ?? "").replace("Bearer ", "");
    const heard = { headers, key, byUrl: url.searchParams.has("key"), bytes: body.length, text: body.toString() };
    this.requests.push(heard);
    this.onRequest(heard);
    const fault = this.faults.shift();
    if (fault) return this.#meet(fault, heard, response);
    if (key !== this.key) return answer(response, 401, '{"code":"key_unknown"}');
    answer(response, 200, JSON.stringify(this.#store(heard)));
  }

  /** A status, `{status, headers, text}`, or one of: reset, reset_after_storing, hang, hang_after_storing. */
  #meet(fault, heard, response) {
    if (typeof fault === "number") return answer(response, fault, "{}");
    if (typeof fault === "object") return answer(response, fault.status, fault.text ?? "{}", fault.headers);
    if (fault.endsWith("_after_storing")) this.#store(heard);
    if (fault.startsWith("reset")) return response.destroy();
    this.hanging += 1;
    response.on("close", () => (this.hanging -= 1));
  }

  #store(heard) {
    const results = JSON.parse(heard.text).events.map((event) => this.#admit(event));
    const count = (...statuses) => results.filter(({ status }) => statuses.includes(status)).length;
    return { accepted: count("ok", "warning"), duplicate: count("duplicate"), rejected: count("rejected"), results };
  }

  #admit(event) {
    const judged = this.judge(event) ?? rejection(event);
    if (judged && judged.status !== "warning") return judged;
    if (!this.#ids.has(event.id)) this.stored.push(event);
    this.#ids.add(event.id);
    return judged ?? { status: "ok", id: event.id };
  }
}

function rejection({ event, user_id, device_id, time, properties }) {
  const rejected = (code, field) => ({ status: "rejected", code, field, message: `${field}: ${code}` });
  if (typeof event !== "string" || !event) return rejected("missing", "event");
  if (event.length > 128) return rejected("too_long", "event");
  if (!user_id && !device_id) return rejected("identity_missing", "user_id");
  if (!Number.isInteger(time)) return rejected("time_invalid", "time");
  if (Object.keys(properties).length > 255) return rejected("too_many_properties", "properties");
  if (Object.keys(properties).some((name) => !name || /[\0-\x1f\x7f-\x9f]/.test(name))) {
    return rejected("invalid_name", "properties");
  }
  if (depth(properties) > 8) return rejected("too_deep", "properties");
}

function depth(value) {
  return value && typeof value === "object" ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0;
}

function answer(response, status, text, headers = {}) {
  response.writeHead(status, { "Content-Type": "application/json", ...CORS, ...headers }).end(text);
}
