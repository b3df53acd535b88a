// recsys for Node and Electron: promises over recsys.bridge, whose methods and arguments docs/bridge.md tells.
"use strict";

const errors = require("./errors.js");
const lanes = require("./lanes.js");

const { LONG, SHORT } = lanes;
let latest = Promise.resolve();

function result(found) {
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

const wrong = (field, message) => new errors.InputError(`${field}: ${message}`, field);

// What JSON cannot say would silently become null, or nothing at all.
function checked(key, value) {
  const type = typeof value;
  if (type === "number" && !Number.isFinite(value)) throw wrong("payload", "numbers must be finite");
  if (type === "bigint") throw wrong("payload", "a BigInt cannot be told as JSON");
  if (type === "function" || type === "symbol") throw wrong("payload", `a ${type} cannot be told as JSON`);
  if (value instanceof Map || value instanceof Set) throw wrong("payload", "a plain object or an array is needed, not a Map or a Set");
  return value;
}

// A choice names its slate; the slate itself will do.
function chosen(event) {
  return event && event.slate instanceof Slate ? { ...event, slate: event.slate.id } : event;
}

// What may be said of an event, as the bridge wants it.
function told(given) {
  const known = { ...given };
  for (const name of ["at", "since", "until"]) if (known[name] instanceof Date) known[name] = moment(known[name]);
  return known;
}

function written(given) {
  const known = told(given);
  if (Array.isArray(known.events)) {
    known.events = known.events.map((event) => (event && Object.getPrototypeOf(event) === Object.prototype ? chosen(told(event)) : event));
  }
  try {
    return JSON.stringify(known, checked);
  } catch (error) {
    throw error instanceof TypeError ? wrong("payload", "this cannot be told as JSON") : error; // it goes round in a circle
  }
}

/** Start the interpreter at `python`, once a process. */
async function boot(options) {
  const python = options && options.python;
  if (typeof python !== "string") throw new errors.BootError("python: the absolute path of a Python interpreter is needed", "python");
  result(await SHORT.ask(null, python));
}

// Options are an object or nothing: of a text or a number a spread would make something else, or nothing.
function optional(given) {
  if (given === undefined || given === null || (typeof given === "object" && !Array.isArray(given))) return given;
  throw wrong("options", "an object is needed");
}

async function ask(lane, method, options, given) {
  if (typeof method !== "string") throw wrong("method", "a text is needed");
  const payload = written({ ...optional(options), ...given });
  if (lane === SHORT) return result(await (latest = SHORT.ask(method, payload)));
  await latest;
  return result(await LONG.ask(method, payload));
}

/** Call any method of the bridge. */
function call(method, given) {
  return ask(SHORT, method, given);
}

/** The same, while the event loop waits: for scripts, never for a user interface. */
function callSync(method, given) {
  if (typeof method !== "string") throw wrong("method", "a text is needed");
  return result(JSON.parse(lanes.callSync(method, written(optional(given)))));
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

  static async open(path, options) {
    return new Recommender(await ask(SHORT, "open", options, { path }));
  }

  #call(method, given, options) {
    return ask(SHORT, method, options, { ...given, handle: this.#handle });
  }

  #read(method, given, options) {
    const reading = ask(LONG, method, options, { ...given, handle: this.#handle });
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
    return this.#call("record", { item_id: itemId }, chosen(options));
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
    return this.#call("shown", { slate }, options);
  }

  steer(tagOrItem, weight, options) {
    return this.#call("steer", { tag_or_item: tagOrItem, weight }, options);
  }

  recommend(k, options) {
    return toCome(this.#call("recommend", { k }, options));
  }

  rank(itemIds, options) {
    return toCome(this.#call("rank", { item_ids: itemIds }, options));
  }

  similar(itemId, k, options) {
    return toCome(this.#call("similar", { item_id: itemId, k }, options));
  }

  explain(itemId, options) {
    return this.#call("explain", { item_id: itemId }, options);
  }

  profile() {
    return this.#call("profile");
  }

  evaluate() {
    return this.#read("evaluate");
  }

  whatIf(options) {
    return this.#read("what_if", {}, options);
  }

  forget(criteria) {
    return this.#call("forget", {}, criteria);
  }

  consent(purpose, options) {
    return this.#call("consent", { purpose }, options);
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
    return this.#call("maintain", { budget_ms: budgetMs }, options);
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
const setAside = (path, options) => ask(SHORT, "set_aside", options, { path });
const closeAll = () => call("close_all");

module.exports = { Recommender, Slate, SlatePromise, boot, batch, call, callSync, closeAll, errors, schema, setAside, version };
