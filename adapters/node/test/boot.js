// What the tests share: the adapter, booted with the interpreter that RECSYS_PYTHON names.
"use strict";

const recsys = require("../index.js");

const python = process.env.RECSYS_PYTHON;
if (!python || !python.startsWith("/")) throw new Error("RECSYS_PYTHON: the absolute path of an interpreter is needed");

module.exports = { recsys, python, booted: () => recsys.boot({ python }) };
