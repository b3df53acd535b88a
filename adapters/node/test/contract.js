// Replays adapters/contract through the public face of this package. CONTRACT names another folder of cases.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { recsys } = require("./boot.js");

const folder = process.env.CONTRACT || path.join(__dirname, "..", "..", "contract");
const read = (file) => JSON.parse(fs.readFileSync(path.join(folder, file), "utf8"));
const cases = () =>
  fs.readdirSync(path.join(folder, "cases")).sort().flatMap((file) => read(path.join("cases", file)));
const raw = () => read("raw.json");

// How each method of the bridge is called here; one that is missing fails the cases that call it.
const FACE = {
  version: () => recsys.version(),
  schema: () => recsys.schema(),
  batch: ({ calls }) => recsys.batch(calls),
  open: ({ path: file, ...rest }) => recsys.Recommender.open(file, rest),
  set_aside: ({ path: file, ...rest }) => recsys.setAside(file, rest),
  close_all: () => recsys.closeAll(),
  close: (_, rec) => rec.close(),
  add: ({ items }, rec) => rec.add(items),
  remove: ({ ids }, rec) => rec.remove(ids),
  record: ({ item_id, ...rest }, rec) => rec.record(item_id, rest),
  record_many: ({ events }, rec) => rec.recordMany(events),
  shown: ({ slate, ...rest }, rec) => rec.shown(slate, rest),
  steer: ({ tag_or_item, weight, ...rest }, rec) => rec.steer(tag_or_item, weight, rest),
  recommend: ({ k, ...rest }, rec) => rec.recommend(k, rest),
  rank: ({ item_ids, ...rest }, rec) => rec.rank(item_ids, rest),
  similar: ({ item_id, k, ...rest }, rec) => rec.similar(item_id, k, rest),
  explain: ({ item_id, ...rest }, rec) => rec.explain(item_id, rest),
  profile: (_, rec) => rec.profile(),
  evaluate: (_, rec) => rec.evaluate(),
  what_if: (rest, rec) => rec.whatIf(rest),
  forget: (rest, rec) => rec.forget(rest),
  consent: ({ purpose, ...rest }, rec) => rec.consent(purpose, rest),
  consents: (_, rec) => rec.consents(),
  withdraw: ({ purpose }, rec) => rec.withdraw(purpose),
  export: ({ path: file }, rec) => rec.export(file),
  import: ({ path: file }, rec) => rec.import(file),
  pause: (_, rec) => rec.pause(),
  resume: (_, rec) => rec.resume(),
  maintain: ({ budget_ms, ...rest }, rec) => rec.maintain(budget_ms, rest),
  rekey: ({ key }, rec) => rec.rekey(key),
  check: (_, rec) => rec.check(),
  stats: (_, rec) => rec.stats(),
};

function filled(value, kept, directory) {
  if (typeof value === "string" && value.startsWith("$DIR")) return directory + value.slice(4);
  if (typeof value === "string" && value.startsWith("$")) return kept[value.slice(1)];
  if (Array.isArray(value)) return value.map((one) => filled(one, kept, directory));
  if (value && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, filled(one, kept, directory)]));
  }
  return value;
}

function match(wanted, found, where) {
  const object = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const has = (parts) => {
    assert.ok(object(found), `${where}: no object`);
    for (const [key, one] of Object.entries(parts)) {
      assert.ok(key in found, `${where}.${key}: missing`);
      match(one, found[key], `${where}.${key}`);
    }
  };
  if (object(wanted) && Object.keys(wanted).length === 1 && Object.keys(wanted)[0].startsWith("$")) {
    const [[matcher, what]] = Object.entries(wanted);
    if (matcher === "$has") has(what);
    else if (matcher === "$text") assert.equal(typeof found, "string", where);
    else if (matcher === "$number") assert.equal(typeof found, "number", where);
    else if (matcher === "$length") assert.equal(found.length, what, where);
    else assert.equal(matcher, "$any", where);
  } else if (object(wanted)) {
    has(wanted);
    assert.deepEqual(Object.keys(found).sort(), Object.keys(wanted).sort(), where);
  } else if (Array.isArray(wanted)) {
    assert.equal(found.length, wanted.length, where);
    wanted.forEach((one, i) => match(one, found[i], `${where}.${i}`));
  } else if (typeof wanted === "number" && typeof found === "number") {
    assert.ok(Math.abs(wanted - found) <= 1e-6 * Math.max(1, Math.abs(wanted)), `${where}: ${found} is not ${wanted}`);
  } else {
    assert.equal(found, wanted, where);
  }
}

// The answer as the bridge gives it, of what the public face gives or throws.
async function answered(calling) {
  try {
    return { result: await calling() };
  } catch (error) {
    if (!(error instanceof recsys.errors.RecsysError)) throw error;
    assert.equal(error.constructor, recsys.errors[error.kind]);
    return { error: { kind: error.kind, field: error.field, message: error.message } };
  }
}

async function replay({ steps }, directory) {
  const kept = {};
  for (const [i, { call, arguments: given = {}, keep = {}, expect }] of steps.entries()) {
    const { handle, ...rest } = filled(given, kept, directory);
    assert.ok(call in FACE, `this adapter lacks ${call}`);
    const answer = await answered(() => FACE[call](rest, handle));
    for (const [name, way] of Object.entries(keep)) kept[name] = way.split(".").reduce((value, part) => value[part], answer);
    // A handle is a number in the bridge, and an object here.
    const told = answer.result instanceof recsys.Recommender ? { result: 1 } : answer;
    match(filled(expect, kept, directory), told, `step ${i} (${call})`);
  }
  return steps.length;
}

module.exports = { FACE, cases, match, raw, replay };
