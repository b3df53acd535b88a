// recsys for Node and Electron: promises over recsys.bridge, whose methods and arguments docs/bridge.md tells.
"use strict";

const errors = require("./errors.js");
const addon = require(process.env.RECSYS_ADDON || "./build/recsys.node");

const SHORT = 0; // calls wait for each other, in the order in which they were made
const LONG = 1; // those that read for seconds begin when the calls before them are done, and hold up none after them
let latest = Promise.resolve();

function result(answer) {
  const found = JSON.parse(answer);
  if (found.error === undefined) return found.result;
  const { kind, field, message } = found.error;
  throw new (errors[kind] || errors.RecsysError)(message, field);
}

// A Date is told with this place's offset from UTC, since rhythms are learnt in local time.
function moment(at) {
  if (!(at instanceof Date)) return at;
  if (Number.isNaN(at.getTime())) throw new errors.InputError("at: a valid Date is needed", "at");
  const offset = -at.getTimezoneOffset();
  const local = new Date(at.getTime() + offset * 60000).toISOString().slice(0, -1);
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  return `${local}${offset < 0 ? "-" : "+"}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
}

// Numbers that JSON cannot say would silently become null.
function checked(key, value) {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new errors.InputError("payload: numbers must be finite", "payload");
  }
  return value;
}

function written(given) {
  const known = { ...given };
  for (const name of ["at", "since", "until"]) if (known[name] instanceof Date) known[name] = moment(known[name]);
  if (Array.isArray(known.events)) {
    known.events = known.events.map((event) => (event && event.at instanceof Date ? { ...event, at: moment(event.at) } : event));
  }
  return JSON.stringify(known, checked);
}

/** Start the interpreter at `python`, once a process. */
async function boot({ python }) {
  result(await addon.call(SHORT, null, String(python)));
}

/** Call any method of the bridge. */
async function call(method, given = {}, lane = SHORT) {
  const payload = written(given);
  if (lane === SHORT) return result(await (latest = addon.call(SHORT, method, payload)));
  await latest;
  return result(await addon.call(LONG, method, payload));
}

/** The same, while the event loop waits: for scripts, never for a user interface. */
function callSync(method, given = {}) {
  return result(addon.callSync(method, written(given)));
}

/** A slate, best first: iterate over it, or read `items`. */
class Slate {
  constructor(found) {
    Object.assign(this, found);
  }

  get itemIds() {
    return this.items.map((item) => item.item_id);
  }

  get length() {
    return this.items.length;
  }

  [Symbol.iterator]() {
    return this.items[Symbol.iterator]();
  }
}

/** A promise of a slate that can itself be iterated over: `for await (const item of rec.recommend(10))`. */
class SlatePromise extends Promise {
  static get [Symbol.species]() {
    return Promise;
  }

  async *[Symbol.asyncIterator]() {
    yield* await this;
  }
}

const toCome = (calling) => SlatePromise.resolve(calling.then((found) => new Slate(found)));

/** One person's recommender. Every method gives a promise; calls are made in the order in which they were asked. */
class Recommender {
  #handle;
  #reading = Promise.resolve();

  constructor(handle) {
    this.#handle = handle;
  }

  static async open(path, options = {}) {
    return new Recommender(await call("open", { ...options, path }));
  }

  #call(method, given) {
    return call(method, { ...given, handle: this.#handle });
  }

  #read(method, given) {
    const reading = call(method, { ...given, handle: this.#handle }, LONG);
    this.#reading = Promise.allSettled([this.#reading, reading]);
    return reading;
  }

  add(items) {
    return this.#call("add", { items });
  }

  remove(ids) {
    return this.#call("remove", { ids });
  }

  record(itemId, options) {
    return this.#call("record", { ...options, item_id: itemId });
  }

  recordMany(events) {
    return this.#call("record_many", { events });
  }

  /** Record what an (async) iterable gives, so many events a transaction; yields the ids of each transaction. */
  async *recordFrom(events, { size = 256 } = {}) {
    let some = [];
    for await (const event of events) {
      some.push(event);
      if (some.length >= size) {
        yield await this.recordMany(some);
        some = [];
      }
    }
    if (some.length) yield await this.recordMany(some);
  }

  shown(slate, options) {
    return this.#call("shown", { ...options, slate });
  }

  steer(tagOrItem, weight, options) {
    return this.#call("steer", { ...options, tag_or_item: tagOrItem, weight });
  }

  recommend(k, options) {
    return toCome(this.#call("recommend", { ...options, k }));
  }

  rank(itemIds, options) {
    return toCome(this.#call("rank", { ...options, item_ids: itemIds }));
  }

  similar(itemId, k, options) {
    return toCome(this.#call("similar", { ...options, item_id: itemId, k }));
  }

  explain(itemId, options) {
    return this.#call("explain", { ...options, item_id: itemId });
  }

  profile() {
    return this.#call("profile");
  }

  evaluate() {
    return this.#read("evaluate");
  }

  whatIf(options) {
    return this.#read("what_if", options);
  }

  forget(criteria) {
    return this.#call("forget", criteria);
  }

  consent(purpose, options) {
    return this.#call("consent", { ...options, purpose });
  }

  consents() {
    return this.#call("consents");
  }

  withdraw(purpose) {
    return this.#call("withdraw", { purpose });
  }

  export(path) {
    return this.#read("export", { path });
  }

  import(path) {
    return this.#call("import", { path });
  }

  pause() {
    return this.#call("pause");
  }

  resume() {
    return this.#call("resume");
  }

  maintain(budgetMs, options) {
    return this.#call("maintain", { ...options, budget_ms: budgetMs });
  }

  rekey(key) {
    return this.#call("rekey", { key });
  }

  check() {
    return this.#read("check");
  }

  stats() {
    return this.#call("stats");
  }

  /** Close the file, once what was asked before is answered. */
  async close() {
    await this.#reading;
    return this.#call("close");
  }
}

if (Symbol.asyncDispose) Recommender.prototype[Symbol.asyncDispose] = Recommender.prototype.close;

const version = () => call("version");
const schema = () => call("schema");
const batch = (calls) => call("batch", { calls });
const setAside = (path, options) => call("set_aside", { ...options, path });
const closeAll = () => call("close_all");

module.exports = { Recommender, Slate, SlatePromise, boot, batch, call, callSync, closeAll, errors, schema, setAside, version };
