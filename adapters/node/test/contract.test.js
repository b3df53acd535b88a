"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { after, before, test } = require("node:test");
const { FACE, cases, match, raw, replay } = require("./contract.js");
const { booted, recsys } = require("./boot.js");
const { SHORT, callSync } = require("../lanes.js");

const counted = { cases: 0, steps: 0, failed: 0 };
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "recsys-"));

before(booted);
after(() => {
  fs.rmSync(scratch, { recursive: true });
  console.log(`${counted.cases} cases, ${counted.steps} steps, ${counted.failed} failed`);
});

function held(name, work) {
  test(name, async () => {
    counted.cases++;
    try {
      counted.steps += await work();
    } catch (error) {
      counted.failed++;
      throw error;
    }
  });
}

for (const [number, one] of cases().entries()) {
  held(one.name, async () => {
    const directory = path.join(scratch, String(number));
    fs.mkdirSync(directory);
    return replay(one, directory);
  });
}

for (const one of raw()) {
  held(`bytes: ${one.name}`, async () => {
    const bytes = one.payload === undefined ? Buffer.from(one.payload_hex, "hex") : Buffer.from(one.payload);
    for (const payload of one.payload === undefined ? [bytes] : [bytes, one.payload]) {
      match(one.expect, await SHORT.ask(one.method, payload), "answer");
      match(one.expect, JSON.parse(callSync(one.method, payload)), "answer");
    }
    return 1;
  });
}

test("what is not as wanted is found", () => {
  for (const [wanted, found] of [[1, 2], [1, "1"], ["a", "b"], [[1], [1, 1]], [{ a: 1 }, { a: 1, b: 2 }], [{ $has: { a: 1 } }, { a: 2 }], [{ $text: true }, 1], [{ $length: 2 }, [1]], [null, 0]]) {
    assert.throws(() => match(wanted, found, "answer"), assert.AssertionError);
  }
});

test("every method of the schema can be called here, and every kind of error is a class", async () => {
  const { $defs } = await recsys.schema();
  assert.deepEqual(Object.keys(FACE).sort(), Object.keys($defs.methods).sort());
  assert.deepEqual(Object.keys(recsys.errors).sort(), [...$defs.error.properties.kind.enum, "BootError"].sort());
});

test("the types name every method and every field of a record", async () => {
  const types = fs.readFileSync(path.join(__dirname, "..", "index.d.ts"), "utf8");
  const { $defs } = await recsys.schema();
  const fields = Object.values($defs.records).flatMap((record) => Object.keys(record.properties));
  for (const name of [...new Set(fields)]) assert.match(types, new RegExp(`\\b${name}\\??:`), name);
  for (const name of Object.getOwnPropertyNames(recsys.Recommender.prototype)) {
    if (name !== "constructor") assert.match(types, new RegExp(`\\b${name}\\(`), name);
  }
});
