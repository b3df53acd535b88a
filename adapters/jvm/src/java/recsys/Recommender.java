package recsys;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One person's recommender, in one file. Any number of threads may call it; calls wait for each other. Every method is
 * that of docs/bridge.md with this name; where an argument may be left out there is a shorter form without it.
 */
public final class Recommender implements AutoCloseable {
    private final Bridge bridge;
    private final Object handle;

    private Recommender(Bridge bridge, Object handle) {
        this.bridge = bridge;
        this.handle = handle;
    }

    /** Open or make a file; {@code ":memory:"} keeps everything in memory. */
    public static Recommender open(Engine engine, String path) throws RecsysException {
        return open(engine, path, new Opened());
    }

    public static Recommender open(Engine engine, String path, Opened how) throws RecsysException {
        Bridge bridge = new Bridge(engine);
        return new Recommender(bridge, bridge.call("open", new Opened().set("path", path).with(how).told));
    }

    private Object call(String method, Arguments<?> more, Object... given) throws RecsysException {
        Map<String, Object> told = more == null ? new LinkedHashMap<>() : new LinkedHashMap<>(more.told);
        for (int i = 0; i < given.length; i += 2) {
            told.put((String) given[i], given[i + 1]);
        }
        told.put("handle", handle);
        return bridge.call(method, told);
    }

    public long add(List<Item> items) throws RecsysException {
        return (Long) call("add", null, "items", items.stream().map(Item::told).toList());
    }

    public long remove(List<String> ids) throws RecsysException {
        return (Long) call("remove", null, "ids", ids);
    }

    public String record(String itemId) throws RecsysException {
        return record(itemId, null);
    }

    public String record(String itemId, Happened how) throws RecsysException {
        return (String) call("record", how, "item_id", itemId);
    }

    public List<String> recordMany(List<Happened> events) throws RecsysException {
        return Records.readAll(String.class, call("record_many", null, "events", events.stream().map(e -> e.told).toList()));
    }

    public String shown(Slate slate) throws RecsysException {
        return shown(slate, null);
    }

    public String shown(Slate slate, Happened when) throws RecsysException {
        return (String) call("shown", when, "slate", Records.json(slate));
    }

    public String steer(String tagOrItem, double weight) throws RecsysException {
        return steer(tagOrItem, weight, null);
    }

    public String steer(String tagOrItem, double weight, Happened when) throws RecsysException {
        return (String) call("steer", when, "tag_or_item", tagOrItem, "weight", weight);
    }

    public Slate recommend(int k) throws RecsysException {
        return recommend(k, null);
    }

    public Slate recommend(int k, Asked how) throws RecsysException {
        return Records.read(Slate.class, call("recommend", how, "k", k));
    }

    public Slate rank(List<String> itemIds) throws RecsysException {
        return rank(itemIds, null);
    }

    public Slate rank(List<String> itemIds, Asked how) throws RecsysException {
        return Records.read(Slate.class, call("rank", how, "item_ids", itemIds));
    }

    public Slate similar(String itemId, int k) throws RecsysException {
        return similar(itemId, k, null);
    }

    public Slate similar(String itemId, int k, Asked how) throws RecsysException {
        return Records.read(Slate.class, call("similar", how, "item_id", itemId, "k", k));
    }

    public Explanation explain(String itemId) throws RecsysException {
        return explain(itemId, null);
    }

    public Explanation explain(String itemId, Asked how) throws RecsysException {
        return Records.read(Explanation.class, call("explain", how, "item_id", itemId));
    }

    public Profile profile() throws RecsysException {
        return Records.read(Profile.class, call("profile", null));
    }

    public Evaluation evaluate() throws RecsysException {
        return Records.read(Evaluation.class, call("evaluate", null));
    }

    /** {@code how} may say {@code explore}, and by {@code set} also "settings" and "prior". */
    public Counterfactual whatIf(Asked how) throws RecsysException {
        return Records.read(Counterfactual.class, call("what_if", how));
    }

    public Receipt forget(Forgotten criteria) throws RecsysException {
        return Records.read(Receipt.class, call("forget", criteria));
    }

    public void consent(String purpose) throws RecsysException {
        consent(purpose, null);
    }

    public void consent(String purpose, Happened when) throws RecsysException {
        call("consent", when, "purpose", purpose);
    }

    /** Purposes, with the time at which each was allowed: seconds since 1970 UTC. */
    public Map<String, Double> consents() throws RecsysException {
        Map<String, Double> found = new LinkedHashMap<>();
        ((Map<?, ?>) call("consents", null)).forEach((name, at) -> found.put((String) name, ((Number) at).doubleValue()));
        return found;
    }

    /** Take every consent back. */
    public Receipt withdraw() throws RecsysException {
        return withdraw(null);
    }

    public Receipt withdraw(String purpose) throws RecsysException {
        return Records.read(Receipt.class, call("withdraw", null, "purpose", purpose));
    }

    public long export(String path) throws RecsysException {
        return (Long) call("export", null, "path", path);
    }

    /** The bridge's {@code import}, which is a word of Java's own. */
    public long importFrom(String path) throws RecsysException {
        return (Long) call("import", null, "path", path);
    }

    public void pause() throws RecsysException {
        call("pause", null);
    }

    public void resume() throws RecsysException {
        call("resume", null);
    }

    public boolean maintain(double budgetMs) throws RecsysException {
        return maintain(budgetMs, null);
    }

    public boolean maintain(double budgetMs, Asked when) throws RecsysException {
        return (Boolean) call("maintain", when, "budget_ms", budgetMs);
    }

    public void rekey(String key) throws RecsysException {
        call("rekey", null, "key", key);
    }

    public List<Finding> check() throws RecsysException {
        return Records.readAll(Finding.class, call("check", null));
    }

    public Stats stats() throws RecsysException {
        return Records.read(Stats.class, call("stats", null));
    }

    /** Close the file; again does nothing. */
    @Override
    public void close() throws RecsysException {
        call("close", null);
    }

    @Override
    public String toString() {
        return "Recommender[<redacted>]";
    }
}
