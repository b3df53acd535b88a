"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { before, test } = require("node:test");
const { Worker } = require("node:worker_threads");
const { monitorEventLoopDelay } = require("node:perf_hooks");
const { booted, python, recsys } = require("./boot.js");

const { Recommender, errors } = recsys;
const DAY = 86400;

before(booted);

async function learnt() {
  const rec = await Recommender.open(":memory:");
  await rec.add([{ id: "tea", title: "Tea" }, { id: "cola", title: "Cola" }, { id: "milk" }]);
  await rec.recordMany(Array.from({ length: 20 }, (_, n) => ({ item_id: n % 4 ? "tea" : "cola", at: 1.7e9 + n * DAY })));
  return rec;
}

test("a slate is iterated over, as it is and as a promise", async () => {
  const rec = await learnt();
  const slate = await rec.recommend(2, { at: 1.702e9, reasons: 1 });
  assert.deepEqual(slate.itemIds, [...slate].map((item) => item.item_id));
  assert.equal(slate.length, 2);
  const found = [];
  for await (const item of rec.recommend(2, { at: 1.702e9 })) found.push(item.item_id);
  assert.deepEqual(found, slate.itemIds);
  await rec.shown(slate, { at: 1.702e9 });
  await rec.record(slate.items[1].item_id, { slate: slate.id, at: 1.7021e9 });
  await rec.close();
});

test("a stream of events is recorded, so many a transaction", async () => {
  const rec = await Recommender.open(":memory:");
  async function* stream() {
    for (let n = 0; n < 10; n++) yield { item_id: `i${n}`, at: new Date(1.7e12 + n * 1000) };
  }
  const sizes = [];
  for await (const ids of rec.recordFrom(stream(), { size: 4 })) sizes.push(ids.length);
  assert.deepEqual(sizes, [4, 4, 2]);
  assert.equal((await rec.stats()).n_events, 10);
  await rec.close();
});

test("calls are made in the order in which they were asked, without waiting", async () => {
  const rec = await Recommender.open(":memory:");
  const asked = [];
  for (let n = 0; n < 200; n++) asked.push(rec.record(`i${n}`));
  const [stats, evaluation] = [rec.stats(), rec.evaluate()];
  const closed = rec.close();
  assert.equal(new Set(await Promise.all(asked)).size, 200);
  assert.equal((await stats).n_events, 200);
  assert.equal((await evaluation).n_events, 200);
  await closed;
  await assert.rejects(rec.stats(), errors.ClosedError);
});

test("a Date is told in local time", async () => {
  const rec = await Recommender.open(":memory:");
  const at = new Date(2026, 2, 2, 8, 30, 15, 250);
  await rec.record("tea", { at });
  const [event] = (await rec.explain("tea")).events;
  assert.equal(event.at_us, at.getTime() * 1000);
  assert.equal(event.offset_min, 0 - at.getTimezoneOffset());
  await rec.forget({ since: new Date(at.getTime() - 1), until: new Date(at.getTime() + 1) });
  assert.equal((await rec.stats()).n_events, 0);
  await rec.close();
});

test("errors are classes with a field; what JSON cannot say is refused", async () => {
  const rec = await learnt();
  await assert.rejects(rec.record(""), (error) => error instanceof errors.InputError && error.field === "item_id");
  await assert.rejects(rec.recommend(-1), errors.InputError);
  await assert.rejects(rec.steer("tea", NaN), errors.InputError);
  await assert.rejects(rec.record("tea", { at: new Date(NaN) }), errors.InputError);
  await assert.rejects(rec.record("\ud800"), errors.InputError);
  await assert.rejects(rec.record("a\0b"), errors.InputError);
  await assert.rejects(recsys.call("no_such_method"), errors.InputError);
  await assert.rejects(Recommender.open("/no/such/folder/me.db"), errors.StoreError);
  assert.throws(() => recsys.callSync("stats", { handle: -1 }), errors.InputError);
  await rec.pause();
  await assert.rejects(rec.record("tea"), errors.PausedError);
  await rec.close();
});

test("what JSON would drop or turn into something else is refused, by a promise", async () => {
  const rec = await learnt();
  const circle = {};
  circle.circle = circle;
  const odd = [new Map([["place", "home"]]), new Set(["home"]), { place: 1n }, { place: () => "home" }, { place: Symbol("home") }, circle];
  for (const context of odd) {
    await assert.rejects(rec.record("tea", { context }), (error) => error instanceof errors.InputError && error.field === "payload");
  }
  for (const options of ["home", 7, ["home"]]) {
    await assert.rejects(rec.record("tea", options), (error) => error instanceof errors.InputError && error.field === "options");
    await assert.rejects(rec.recommend(2, options), errors.InputError);
  }
  assert.equal((await rec.stats()).n_events, 20);
  for (const given of [undefined, {}, "python3", { python: 3 }]) await assert.rejects(recsys.boot(given), errors.BootError);
  await assert.rejects(recsys.call(5), errors.InputError);
  assert.throws(() => recsys.callSync(5), errors.InputError);
  await rec.close();
});

test("a choice takes the slate or its id", async () => {
  const rec = await learnt();
  const slate = await rec.recommend(3, { at: 1.702e9 });
  await rec.shown(slate, { at: 1.702e9 });
  await rec.record(slate.itemIds[0], { slate, at: 1.7021e9 });
  await rec.recordMany([{ item_id: slate.itemIds[1], slate, at: 1.7022e9 }]);
  const { events } = await rec.explain(slate.itemIds[1], { at: 1.703e9 });
  assert.equal(events.filter((event) => event.slate === slate.id).length, 1);
  await rec.close();
});

test("an answer does not wait for a longer call behind it", async () => {
  const rec = await Recommender.open(":memory:");
  await rec.recordMany(Array.from({ length: 3000 }, (_, n) => ({ item_id: `i${n % 40}`, at: 1.7e9 + n * 3000 })));
  const order = [];
  await Promise.all([
    rec.stats().then(() => order.push("stats")),
    recsys.version().then(() => {
      order.push("version");
      setImmediate(() => order.push("a turn of the event loop"));
    }),
    rec.forget({ items: ["i1"] }).then(() => order.push("forget")),
  ]);
  assert.deepEqual(order, ["stats", "version", "a turn of the event loop", "forget"]);
  await rec.close();
});

test("twenty megabytes go in", async () => {
  const rec = await Recommender.open(":memory:");
  assert.equal(await rec.add(Array.from({ length: 5000 }, (_, n) => ({ id: `i${n}`, title: "é".repeat(2000) }))), 5000);
  await rec.close();
});

test("the event loop is free while Python works", async () => {
  const rec = await Recommender.open(":memory:");
  await rec.recordMany(Array.from({ length: 1500 }, (_, n) => ({ item_id: `i${n % 40}`, at: 1.7e9 + n * 3000 })));
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const started = Date.now();
  const reading = rec.evaluate();
  let n = 0;
  for (; Date.now() - started < 100; n++) await rec.rank(["i1", "i2", "i3"]);
  await reading;
  delay.disable();
  clearInterval(timer);
  assert.ok(ticks > 0 && n > 0);
  console.log(`event loop: at most ${(delay.max / 1e6).toFixed(1)} ms late; ${n} rankings beside an evaluation`);
  await rec.close();
});

test("a worker thread has its own queue and shares the interpreter", async () => {
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    const recsys = require(workerData.module);
    (async () => {
      await recsys.boot({ python: workerData.python });
      const rec = await recsys.Recommender.open(":memory:");
      for (let n = 0; n < 50; n++) await rec.record("i" + n % 3);
      rec.evaluate().catch(() => {});
      parentPort.postMessage((await rec.stats()).n_events);
    })();`;
  const module = path.join(__dirname, "..", "index.js");
  const workers = Array.from({ length: 3 }, () => new Worker(code, { eval: true, workerData: { module, python } }));
  const told = await Promise.all(workers.map((worker) => new Promise((tell, fail) => worker.on("message", tell).on("error", fail))));
  assert.deepEqual(told, [50, 50, 50]);
  await Promise.all(workers.map((worker) => worker.terminate()));
});

test("many calls leave nothing behind", async () => {
  const rec = await learnt();
  const calls = Number(process.env.RECSYS_CALLS || 4000);
  const turn = async () => {
    for (let n = 0; n < calls / 2; n++) await rec.rank(["tea", "cola", "new"], { at: 1.702e9 });
    if (global.gc) global.gc();
    return process.memoryUsage().rss;
  };
  const [first, second] = [await turn(), await turn()];
  console.log(`${calls} calls, grown by ${((second - first) / 1024).toFixed(0)} KiB over the second half`);
  assert.ok(second - first < 16 * 1024 * 1024);
  await rec.close();
});

test("what is forgotten is in no file", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "recsys-"));
  const rec = await Recommender.open(path.join(folder, "me.db"));
  await rec.record("qzxsecretitem", { context: { place: "qzxplace" } });
  await rec.record("innocent");
  const holds = () => fs.readdirSync(folder).some((name) => fs.readFileSync(path.join(folder, name)).includes("qzxsecretitem"));
  assert.ok(holds());
  const receipt = await rec.forget({ items: ["qzxsecretitem"] });
  assert.equal(receipt.status, "erased");
  assert.ok(!holds());
  await rec.close();
  fs.rmSync(folder, { recursive: true });
});
