// Builds build/recsys.node with the C compiler of this machine: no node-gyp, nothing is fetched.
// RECSYS_PYTHON names the interpreter that it is for (python3 when unset), CC the compiler.
"use strict";

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const here = (...names) => path.join(__dirname, ...names);

// In a source tree the C adapter is next door; in a package its two files are in c/.
function sources() {
  const folder = here("..", "c");
  if (fs.existsSync(path.join(folder, "src", "recsys.c"))) {
    return { source: path.join(folder, "src", "recsys.c"), include: path.join(folder, "include") };
  }
  return { source: here("c", "recsys.c"), include: here("c") };
}

function copy() {
  const { source, include } = sources();
  fs.mkdirSync(here("c"), { recursive: true });
  fs.copyFileSync(source, here("c", "recsys.c"));
  fs.copyFileSync(path.join(include, "recsys.h"), here("c", "recsys.h"));
}

function nodeHeaders() {
  const own = path.join(path.dirname(process.execPath), "..", "include", "node");
  if (fs.existsSync(path.join(own, "node_api.h"))) return own;
  return require("node-api-headers").include_dir;
}

function build() {
  const python = process.env.RECSYS_PYTHON || "python3";
  const told = `import json, sysconfig as s; print(json.dumps([s.get_path("include"), s.get_config_var("LIBDIR"),
    "python" + s.get_config_var("LDVERSION"), bool(s.get_config_var("Py_ENABLE_SHARED"))]))`;
  const [headers, libraries, name, shared] = JSON.parse(execFileSync(python, ["-c", told], { encoding: "utf8" }));
  if (!shared && process.platform !== "darwin") throw new Error(`${python} has no shared library (--enable-shared)`);
  if (!fs.existsSync(path.join(headers, "Python.h"))) throw new Error(`${python} has no headers (Debian: python3-dev)`);
  const { source, include } = sources();
  const output = process.env.RECSYS_ADDON || here("build", "recsys.node");
  fs.mkdirSync(path.dirname(output), { recursive: true });
  const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-std=c11", "-fPIC", "-fvisibility=hidden", "-shared", "-pthread"];
  if (process.platform === "darwin") flags.push("-undefined", "dynamic_lookup");
  const includes = [`-I${include}`, "-isystem", headers, "-isystem", nodeHeaders()];
  const links = [`-L${libraries}`, `-l${name}`, `-Wl,-rpath,${libraries}`];
  execFileSync(process.env.CC || "cc", [...flags, ...includes, here("src", "addon.c"), source, "-o", output, ...links], {
    stdio: "inherit",
  });
}

if (process.argv[2] === "--copy") copy();
else build();
