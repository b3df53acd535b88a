package recsys;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Replays adapters/contract through the public face: PYTHON FOLDER SCRATCH. Fails unless all of it holds. */
public final class Contract {
    /** How a method of the bridge is called here. */
    interface Face {
        Object call(Map<String, Object> given, Recommender rec) throws RecsysException;
    }

    static final Map<String, Face> FACE = new TreeMap<>();
    private static Engine engine;

    static {
        FACE.put("version", (given, rec) -> new Bridge(engine).version());
        FACE.put("schema", (given, rec) -> new Bridge(engine).schema());
        FACE.put("batch", (given, rec) -> new Bridge(engine).batch(calls(given)));
        FACE.put("close_all", (given, rec) -> new Bridge(engine).closeAll());
        FACE.put("set_aside", (given, rec) -> new Bridge(engine).setAside(text(given, "path"), all(new Opened(), given)));
        FACE.put("open", (given, rec) -> Recommender.open(engine, text(given, "path"), all(new Opened(), given)));
        FACE.put("close", (given, rec) -> none(rec::close));
        FACE.put("add", (given, rec) -> rec.add(items(given)));
        FACE.put("remove", (given, rec) -> rec.remove(texts(given, "ids")));
        FACE.put("record", (given, rec) -> rec.record(text(given, "item_id"), all(new Happened(), given)));
        FACE.put("record_many", (given, rec) -> rec.recordMany(events(given)));
        FACE.put("shown", (given, rec) -> rec.shown(slate(given), all(new Happened(), given)));
        FACE.put("steer", (given, rec) -> rec.steer(text(given, "tag_or_item"), number(given, "weight"), all(new Happened(), given)));
        FACE.put("recommend", (given, rec) -> rec.recommend((int) number(given, "k", 10), all(new Asked(), given)));
        FACE.put("rank", (given, rec) -> rec.rank(texts(given, "item_ids"), all(new Asked(), given)));
        FACE.put("similar", (given, rec) -> rec.similar(text(given, "item_id"), (int) number(given, "k", 10), all(new Asked(), given)));
        FACE.put("explain", (given, rec) -> rec.explain(text(given, "item_id"), all(new Asked(), given)));
        FACE.put("profile", (given, rec) -> rec.profile());
        FACE.put("evaluate", (given, rec) -> rec.evaluate());
        FACE.put("what_if", (given, rec) -> rec.whatIf(all(new Asked(), given)));
        FACE.put("forget", (given, rec) -> rec.forget(all(new Forgotten(), given)));
        FACE.put("consent", (given, rec) -> none(() -> rec.consent(text(given, "purpose"), all(new Happened(), given))));
        FACE.put("consents", (given, rec) -> rec.consents());
        FACE.put("withdraw", (given, rec) -> rec.withdraw(text(given, "purpose")));
        FACE.put("export", (given, rec) -> rec.export(text(given, "path")));
        FACE.put("import", (given, rec) -> rec.importFrom(text(given, "path")));
        FACE.put("pause", (given, rec) -> none(rec::pause));
        FACE.put("resume", (given, rec) -> none(rec::resume));
        FACE.put("maintain", (given, rec) -> rec.maintain(number(given, "budget_ms", 50), all(new Asked(), given)));
        FACE.put("rekey", (given, rec) -> none(() -> rec.rekey(text(given, "key"))));
        FACE.put("check", (given, rec) -> rec.check());
        FACE.put("stats", (given, rec) -> rec.stats());
    }

    private interface Done {
        void run() throws RecsysException;
    }

    private static Object none(Done done) throws RecsysException {
        done.run();
        return null;
    }

    private static String text(Map<String, Object> given, String name) {
        return (String) given.remove(name);
    }

    private static double number(Map<String, Object> given, String name) {
        return ((Number) given.remove(name)).doubleValue();
    }

    private static double number(Map<String, Object> given, String name, double otherwise) {
        return given.get(name) == null ? otherwise : number(given, name);
    }

    private static List<String> texts(Map<String, Object> given, String name) {
        return Records.readAll(String.class, given.remove(name));
    }

    private static <S extends Arguments<S>> S all(S to, Map<String, Object> given) {
        given.forEach(to::set);
        return to;
    }

    private static Slate slate(Map<String, Object> given) {
        return Records.read(Slate.class, given.remove("slate"));
    }

    private static List<Item> items(Map<String, Object> given) {
        List<Item> found = new ArrayList<>();
        for (Object one : (List<?>) given.remove("items")) {
            Map<String, Object> more = object(one);
            String id = text(more, "id");
            String title = text(more, "title");
            List<String> tags = more.get("tags") == null ? null : texts(more, "tags");
            more.remove("tags");
            found.add(new Item(id, title, tags, more));
        }
        return found;
    }

    private static List<Happened> events(Map<String, Object> given) {
        List<Happened> found = new ArrayList<>();
        for (Object one : (List<?>) given.remove("events")) {
            Map<String, Object> event = object(one);
            found.add(all(Happened.of(text(event, "item_id")), event));
        }
        return found;
    }

    private static List<Bridge.Call> calls(Map<String, Object> given) {
        List<Bridge.Call> found = new ArrayList<>();
        for (Object one : (List<?>) given.get("calls")) {
            found.add(new Bridge.Call((String) object(one).get("method"), object(object(one).get("arguments"))));
        }
        return found;
    }

    /** A copy of a JSON object, to take from. */
    private static Map<String, Object> object(Object json) {
        Map<String, Object> found = new LinkedHashMap<>();
        ((Map<?, ?>) json).forEach((name, value) -> found.put((String) name, value));
        return found;
    }

    // -- the runner --

    private static Object filled(Object value, Map<String, Object> kept, String folder) {
        if (value instanceof String text && text.startsWith("$")) {
            return text.startsWith("$DIR") ? folder + text.substring(4) : kept.get(text.substring(1));
        }
        if (value instanceof List<?> many) {
            List<Object> found = new ArrayList<>();
            many.forEach(one -> found.add(filled(one, kept, folder)));
            return found;
        }
        if (value instanceof Map<?, ?> many) {
            Map<Object, Object> found = new LinkedHashMap<>();
            many.forEach((name, one) -> found.put(name, filled(one, kept, folder)));
            return found;
        }
        return value;
    }

    private static Object at(Object value, String path) {
        for (String part : path.split("\\.")) {
            value = value instanceof List<?> many ? many.get(Integer.parseInt(part)) : ((Map<?, ?>) value).get(part);
        }
        return value;
    }

    static String mismatch(Object wanted, Object found, String where) {
        if (wanted instanceof Map<?, ?> map) {
            Object first = map.size() == 1 ? map.keySet().iterator().next() : "";
            return switch (first.toString()) {
                case "$any" -> "";
                case "$text" -> found instanceof String ? "" : where + ": no text";
                case "$number" -> found instanceof Number ? "" : where + ": no number";
                case "$length" -> found instanceof List<?> many && many.size() == ((Long) map.get(first)).intValue() ? "" : where + ": another length";
                case "$has" -> has((Map<?, ?>) map.get(first), found, where);
                default -> found instanceof Map<?, ?> other && other.keySet().equals(map.keySet()) ? has(map, found, where) : where + ": other keys";
            };
        }
        if (wanted instanceof List<?> many) {
            if (!(found instanceof List<?> other) || other.size() != many.size()) {
                return where + ": another length";
            }
            for (int i = 0; i < many.size(); i++) {
                String wrong = mismatch(many.get(i), other.get(i), where + "." + i);
                if (!wrong.isEmpty()) {
                    return wrong;
                }
            }
            return "";
        }
        if (wanted instanceof Number one && found instanceof Number other) {
            double gap = Math.abs(one.doubleValue() - other.doubleValue());
            return gap <= 1e-6 * Math.max(1, Math.abs(one.doubleValue())) ? "" : where + ": " + found + " is not " + wanted;
        }
        return wanted == null ? (found == null ? "" : where + ": is not null") : wanted.equals(found) ? "" : where + ": " + found + " is not " + wanted;
    }

    private static String has(Map<?, ?> wanted, Object found, String where) {
        if (!(found instanceof Map<?, ?> other) || !other.keySet().containsAll(wanted.keySet())) {
            return where + ": keys are missing";
        }
        for (Map.Entry<?, ?> one : wanted.entrySet()) {
            String wrong = mismatch(one.getValue(), other.get(one.getKey()), where + "." + one.getKey());
            if (!wrong.isEmpty()) {
                return wrong;
            }
        }
        return "";
    }

    private static Map<String, Object> answered(String method, Map<String, Object> given) {
        Map<String, Object> answer = new LinkedHashMap<>();
        Face face = FACE.get(method);
        if (face == null) {
            throw new IllegalStateException("this adapter lacks " + method);
        }
        try {
            Object rec = given.remove("handle");
            Object found = face.call(given, (Recommender) rec);
            answer.put("result", found instanceof Recommender ? found : Records.json(found));
        } catch (RecsysException refused) {
            Map<String, Object> error = new LinkedHashMap<>();
            error.put("kind", refused.kind());
            error.put("field", refused.field());
            error.put("message", refused.getMessage());
            answer.put("error", error);
        }
        return answer;
    }

    private static String replay(List<?> steps, String folder) {
        Map<String, Object> kept = new LinkedHashMap<>();
        for (int i = 0; i < steps.size(); i++) {
            Map<String, Object> step = object(steps.get(i));
            String method = (String) step.get("call");
            Object given = step.getOrDefault("arguments", Map.of());
            Map<String, Object> answer = answered(method, object(filled(given, kept, folder)));
            object(step.getOrDefault("keep", Map.of())).forEach((name, path) -> kept.put(name, at(answer, (String) path)));
            if (answer.get("result") instanceof Recommender) {
                answer.put("result", 1L); // a handle is a number in the bridge, and an object here
            }
            String wrong = mismatch(filled(step.get("expect"), kept, folder), answer, "answer");
            if (!wrong.isEmpty()) {
                return "step " + i + " (" + method + "): " + wrong;
            }
        }
        return "";
    }

    private static byte[] payload(Map<String, Object> one) {
        if (one.get("payload") instanceof String text) {
            return text.getBytes(StandardCharsets.UTF_8);
        }
        String hex = (String) one.get("payload_hex");
        byte[] bytes = new byte[hex.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        }
        return bytes;
    }

    public static void main(String[] words) throws Exception {
        engine = JniEngine.boot(words[0]);
        int cases = 0;
        int steps = 0;
        int failed = 0;
        for (Object one : all(Path.of(words[1], "cases"))) {
            Path folder = Files.createDirectory(Path.of(words[2], Integer.toString(cases)));
            List<?> these = (List<?>) object(one).get("steps");
            String wrong;
            try {
                wrong = replay(these, folder.toString());
            } catch (RuntimeException failure) {
                wrong = failure.toString();
            }
            failed += told(one, wrong);
            cases++;
            steps += these.size();
        }
        for (Object one : (List<?>) Json.read(Files.readAllBytes(Path.of(words[1], "raw.json")))) {
            Map<String, Object> raw = object(one);
            Object found = Json.read(engine.call((String) raw.get("method"), payload(raw)));
            failed += told(one, mismatch(raw.get("expect"), found, "answer"));
            cases++;
            steps++;
        }
        System.out.println(cases + " cases, " + steps + " steps, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    private static int told(Object one, String wrong) {
        if (!wrong.isEmpty()) {
            System.err.println(object(one).get("name") + ": " + wrong);
        }
        return wrong.isEmpty() ? 0 : 1;
    }

    private static List<Object> all(Path folder) throws IOException {
        List<Object> found = new ArrayList<>();
        try (var files = Files.list(folder)) {
            for (Path file : files.sorted().toList()) {
                found.addAll((List<?>) Json.read(Files.readAllBytes(file)));
            }
        }
        return found;
    }
}
