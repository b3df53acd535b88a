package recsys;

import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;

/** The adapter's own tests: PYTHON SCHEMA. Every public method without arguments is one; prints how many passed. */
public final class Tests {
    private final Engine engine;
    private final Map<?, ?> schema;

    private Tests(Engine engine, Map<?, ?> schema) {
        this.engine = engine;
        this.schema = schema;
    }

    public static void main(String[] words) throws Exception {
        for (String path : Arrays.asList("bin/python", "/no/such/python", "/", null)) {
            try {
                JniEngine.boot(path);
                throw new AssertionError("a path that is none was taken");
            } catch (RecsysException.Boot refused) {
                same("the absolute path of a Python interpreter is needed", refused.getMessage());
                same("python", refused.field());
            }
        }
        Map<?, ?> schema = (Map<?, ?>) Json.read(Files.readAllBytes(Path.of(words[1])));
        Tests tests = new Tests(JniEngine.boot(words[0]), (Map<?, ?>) schema.get("$defs"));
        int passed = 0;
        int failed = 0;
        for (Method test : Tests.class.getMethods()) {
            if (test.getDeclaringClass() == Tests.class && test.getParameterCount() == 0) {
                try {
                    test.invoke(tests);
                    passed++;
                } catch (ReflectiveOperationException failure) {
                    System.err.println(test.getName() + ": " + failure.getCause());
                    failed++;
                }
            }
        }
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void same(Object wanted, Object found) {
        if (!wanted.equals(found)) {
            throw new AssertionError(found + " is not " + wanted);
        }
    }

    private interface Refused {
        void run() throws RecsysException;
    }

    private static void refused(Class<?> kind, String field, Refused call) {
        try {
            call.run();
        } catch (RecsysException refused) {
            if (!kind.isInstance(refused) || (field != null && !field.equals(refused.field()))) {
                throw new AssertionError(refused + " of " + refused.field());
            }
            return;
        }
        throw new AssertionError("nothing was refused");
    }

    public void everyRecordHasTheFieldsOfTheSchema() throws Exception {
        Map<?, ?> records = (Map<?, ?>) schema.get("records");
        for (Map.Entry<?, ?> one : records.entrySet()) {
            Class<?> type = Class.forName("recsys." + one.getKey());
            Set<String> ours = new TreeSet<>();
            for (RecordComponent part : type.getRecordComponents()) {
                ours.add(Records.snake(part.getName()));
            }
            Set<Object> theirs = new TreeSet<>(((Map<?, ?>) ((Map<?, ?>) one.getValue()).get("properties")).keySet());
            same(theirs, ours);
        }
    }

    public void everyMethodOfTheSchemaCanBeCalled() {
        same(new TreeSet<Object>(((Map<?, ?>) schema.get("methods")).keySet()), Contract.FACE.keySet());
    }

    public void everyKindOfErrorIsAClass() {
        Map<?, ?> error = (Map<?, ?>) ((Map<?, ?>) schema.get("error")).get("properties");
        for (Object kind : (List<?>) ((Map<?, ?>) error.get("kind")).get("enum")) {
            RecsysException made = RecsysException.of((String) kind, "field", "words");
            same(kind, made.kind());
            same(kind.equals("RecsysError") ? "RecsysException" : kind.toString().replace("Error", ""), made.getClass().getSimpleName());
        }
        same(true, RecsysException.Store.class.isInstance(RecsysException.of("BusyError", null, "")));
    }

    public void aSlateIsIteratedOverAndWhatIsForgottenIsGone() throws RecsysException {
        try (Recommender rec = Recommender.open(engine, ":memory:")) {
            same(2L, rec.add(List.of(new Item("tea", "Tea", "hot"), new Item("cola").with("year", 1886).with("vector", new double[] {1, 2}))));
            for (int day = 1; day < 9; day++) {
                rec.record("tea", new Happened().kind("play").at(OffsetDateTime.parse("2026-03-0" + day + "T08:00:00+01:00")).context(Map.of("place", "home")));
            }
            Slate slate = rec.recommend(2, new Asked().at(OffsetDateTime.parse("2026-03-10T08:00:00+01:00")).context(Map.of("place", "home")).reasons(1));
            List<String> found = new ArrayList<>();
            for (Recommendation one : slate) {
                found.add(one.itemId());
                same(1, one.reasons().size());
            }
            same(List.of("tea", "cola"), found);
            same(60L, slate.offsetMin());
            rec.shown(slate);
            rec.record("cola", new Happened().slate(slate));
            same(true, rec.forget(new Forgotten().items(List.of("tea"))).erased());
            same(List.of(), rec.explain("tea").events());
            same("Slate[n=2, nCandidates=2]", slate.toString());
        }
    }

    public void anInstantIsToldInLocalTime() throws RecsysException {
        try (Recommender rec = Recommender.open(engine, ":memory:")) {
            Instant at = Instant.parse("2026-03-02T08:30:15.250Z");
            rec.record("tea", new Happened().at(at));
            Event event = rec.explain("tea").events().get(0);
            same(at.toEpochMilli() * 1000, event.atUs());
            long offset = java.time.ZoneId.systemDefault().getRules().getOffset(at).getTotalSeconds() / 60;
            same(offset, event.offsetMin());
            same(1L, rec.forget(new Forgotten().since(at).until(at.plusMillis(1))).nEvents());
        }
    }

    public void whatIsWrongIsACheckedExceptionWithAField() throws RecsysException {
        Recommender rec = Recommender.open(engine, ":memory:");
        refused(RecsysException.Input.class, "item_id", () -> rec.record(""));
        refused(RecsysException.Input.class, "item_id", () -> rec.record("a\0b"));
        refused(RecsysException.Input.class, "item_id", () -> rec.record("\ud800"));
        refused(RecsysException.Input.class, "payload", () -> rec.steer("tea", Double.NaN));
        refused(RecsysException.Input.class, "k", () -> rec.recommend(-1));
        refused(RecsysException.Input.class, "method", () -> new Bridge(engine).call("no such".repeat(100), Map.of()));
        refused(RecsysException.Input.class, "method", () -> new Bridge(engine).call("é", Map.of()));
        refused(RecsysException.Store.class, null, () -> Recommender.open(engine, "/no/such/folder/me.db"));
        rec.pause();
        refused(RecsysException.State.class, null, () -> rec.record("tea"));
        rec.close();
        rec.close();
        refused(RecsysException.Closed.class, null, rec::stats);
    }

    public void whatIsNullIsNeverGivenToC() {
        for (Refused wrong : List.<Refused>of(() -> engine.call(null, new byte[0]), () -> engine.call("version", null))) {
            try {
                wrong.run();
            } catch (NullPointerException | RecsysException good) {
                continue;
            }
            throw new AssertionError("null was taken");
        }
    }

    public void anyUnicodeGoesThroughAndTwentyMegabytes() throws RecsysException {
        try (Recommender rec = Recommender.open(engine, ":memory:")) {
            String id = "日本 😀 \" \\ \u2028";
            rec.record(id);
            same(List.of(id), rec.recommend(1).itemIds());
            List<Item> many = new ArrayList<>();
            for (int i = 0; i < 5000; i++) {
                many.add(new Item("i" + i, "é".repeat(2000)));
            }
            same(5000L, rec.add(many));
        }
    }

    public void manyThreadsCallAtOnce() throws Exception {
        try (Recommender rec = Recommender.open(engine, ":memory:")) {
            var pool = Executors.newFixedThreadPool(8);
            List<Callable<Object>> work = new ArrayList<>();
            for (int thread = 0; thread < 8; thread++) {
                work.add(() -> {
                    for (int i = 0; i < 25; i++) {
                        rec.record("i" + i % 5);
                        rec.rank(List.of("i1", "i2", "new"), new Asked().reasons(1));
                    }
                    return null;
                });
            }
            for (var done : pool.invokeAll(work)) {
                done.get();
            }
            pool.shutdown();
            same(200L, rec.stats().nEvents());
        }
    }

    public void manyCallsLeaveNothingBehind() throws Exception {
        try (Recommender rec = Recommender.open(engine, ":memory:")) {
            rec.record("tea");
            long[] kib = new long[2];
            for (int half = 0; half < 2; half++) {
                for (int i = 0; i < 2000; i++) {
                    rec.rank(List.of("tea", "cola", "new"));
                }
                System.gc();
                String status = Files.readString(Path.of("/proc/self/status"));
                String line = status.lines().filter(one -> one.startsWith("VmRSS")).findFirst().orElse("VmRSS: 0 kB");
                kib[half] = Long.parseLong(line.replaceAll("\\D", ""));
            }
            System.out.println("4000 calls, grown by " + (kib[1] - kib[0]) + " KiB over the second half");
            same(true, kib[1] - kib[0] < 32 * 1024);
        }
    }

    public void jsonIsReadAndWritten() {
        String text = "{\"a\":[1,-2.5,1e+20,true,false,null,\"\\u00e9\\n\\\"\\\\\\ud83d\\ude00\"],\"b\":{},\"c\":[]}";
        Object read = Json.read(text);
        same(read, Json.read(Json.write(read)));
        same(Arrays.asList(1L, -2.5, 1e20, true, false, null, "é\n\"\\😀"), ((Map<?, ?>) read).get("a"));
        for (String wrong : List.of("", "{", "[1,", "{\"a\"}", "nul", "\"a", "1 2", "[1}")) {
            try {
                Json.read(wrong);
            } catch (IllegalArgumentException | StringIndexOutOfBoundsException good) {
                continue;
            }
            throw new AssertionError(wrong + " was read");
        }
    }
}
