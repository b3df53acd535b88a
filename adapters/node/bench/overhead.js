// What a call costs through Node, in microseconds: RECSYS_PYTHON=... node bench/overhead.js ROUNDS CALLS.
// With RECSYS_LIB, the path of librecsys.so, and koffi installed, the same through koffi.
"use strict";

const recsys = require("../index.js");
const lanes = require("../lanes.js");

const [rounds, calls] = process.argv.slice(2).map(Number);
const PAYLOAD = '{"calls":[]}'; // no calls at all: what is left is the way there and back

async function timed(name, call, n = calls, each = 1) {
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const started = process.hrtime.bigint();
    for (let i = 0; i < n; i++) {
      const answer = call();
      if (answer instanceof Promise) await answer;
    }
    best = Math.min(best, Number(process.hrtime.bigint() - started) / 1e3 / n / each);
  }
  console.log(JSON.stringify({ name, us: best }));
}

// Many in flight at once, as an app has that does not wait for each.
const together = (many, call) => () => Promise.all(Array.from({ length: many }, call));

function koffi() {
  let found;
  try {
    found = require("koffi");
  } catch {
    return null;
  }
  const library = found.load(process.env.RECSYS_LIB);
  const boot = library.func("int recsys_boot(const char *)");
  const free = library.func("void recsys_free(void *)");
  const out = (type) => found.out(found.pointer(type));
  const raw = library.func("recsys_call", "int", ["str", "str", "size_t", out("void *"), out("size_t")]);
  const told = ([pointer], [size]) => {
    const answer = found.decode(pointer, "char", Number(size));
    free(pointer);
    return answer;
  };
  return {
    boot,
    sync() {
      const [answer, size] = [[null], [0]];
      raw("batch", PAYLOAD, PAYLOAD.length, answer, size);
      return told(answer, size);
    },
    async: () =>
      new Promise((tell) => {
        const [answer, size] = [[null], [0]];
        raw.async("batch", PAYLOAD, PAYLOAD.length, answer, size, () => tell(told(answer, size)));
      }),
  };
}

(async () => {
  await recsys.boot({ python: process.env.RECSYS_PYTHON });
  await timed("Node, callSync", () => lanes.callSync("batch", PAYLOAD));
  await timed("Node, callSync with JSON both ways", () => recsys.callSync("batch", { calls: [] }));
  await timed("Node, a promise", () => recsys.call("batch", { calls: [] }), calls / 10);
  for (const many of [20, 100]) {
    await timed(`Node, a promise of ${many} at once`, together(many, () => recsys.call("batch", { calls: [] })), calls / 10 / many, many);
  }
  const other = process.env.RECSYS_LIB && koffi();
  if (other) {
    other.boot(process.env.RECSYS_PYTHON);
    await timed("koffi, sync", other.sync);
    await timed("koffi, a promise", other.async, calls / 10);
    await timed("koffi, a promise of 20 at once", together(20, other.async), calls / 200, 20);
  }
})();
