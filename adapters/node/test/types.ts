// An app as its authors write it, for the type checker: npx tsc --noEmit --strict --target es2022 --module nodenext --types node test/types.ts
import { Recommender, boot, errors, type Slate } from "../index";
async function main(): Promise<void> {
  await boot({ python: "/x" });
  const rec = await Recommender.open("me.db", { settings: { once: ["news"], keep_days: 30 } });
  await rec.add([{ id: "a", title: "A", tags: ["x"], year: 1959, vector: [1, 2] }]);
  const slate: Slate = await rec.recommend(10, { context: { place: "home" }, where: { year: { min: 1950 } }, at: new Date() });
  for (const item of slate) console.log(item.item_id, item.reasons?.[0].text);
  for await (const item of rec.rank(["a"], { reasons: 1 })) console.log(item.score);
  try { await rec.forget({ items: ["a"] }); } catch (error) { if (error instanceof errors.StoreError) console.log(error.kind); }
  // @ts-expect-error wrong type
  await rec.record(3);
  await rec.close();
}
void main;
