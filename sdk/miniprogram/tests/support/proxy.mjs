// A proxy on loopback that fails on demand.

import { createServer } from "node:http";

export class Proxy {
  /** What the next requests meet, one each: a status, cut_before or cut_after forwarding; nothing: it forwards. */
  faults = [];
  /** Requests that get no answer: none here; the runtime asks. */
  hanging = 0;
  #http;

  static async to(target) {
    const proxy = new Proxy();
    proxy.key = target.key;
    proxy.#http = createServer(async (request, response) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      await proxy.#forward(target, request, Buffer.concat(parts), response);
    });
    await new Promise((resolve) => proxy.#http.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${proxy.#http.address().port}`;
    return proxy;
  }

  async stop() {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  async #forward(target, { method, url, headers }, body, response) {
    const fault = method === "POST" ? this.faults.shift() : undefined;
    if (fault === "cut_before") return response.destroy();
    if (typeof fault === "number") {
      return response.writeHead(fault, { "Retry-After": "1", "Access-Control-Allow-Origin": "*" }).end("{}");
    }
    const own = new Set(["host", "connection", "content-length", "transfer-encoding"]);
    const passed = Object.fromEntries(Object.entries(headers).filter(([name]) => !own.has(name)));
    const reply = await fetch(target.url + url, { method, headers: passed, body: body.length ? body : undefined });
    const text = await reply.text();
    if (fault === "cut_after") return response.destroy();
    response.writeHead(reply.status, Object.fromEntries(reply.headers)).end(text);
  }
}
