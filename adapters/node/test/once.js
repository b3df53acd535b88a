// A short life, for tests that look at the files afterwards: node test/once.js FILE [ITEM TO FORGET].
"use strict";

const { booted, recsys } = require("./boot.js");

if (require.main === module) {
  (async () => {
    const [file, secret] = process.argv.slice(2);
    await booted();
    const rec = await recsys.Recommender.open(file);
    if (secret) {
      console.log((await rec.forget({ items: [secret] })).status);
    } else {
      await rec.add([{ id: "qzxsecretitem", title: "qzxtitle" }]);
      await rec.record("qzxsecretitem", { context: { place: "qzxplace" } });
      await rec.record("innocent");
      const slate = await rec.recommend(2, { reasons: 2 });
      await rec.shown(slate);
      await rec.remove(["qzxsecretitem"]);
    }
    await rec.close();
  })();
}
