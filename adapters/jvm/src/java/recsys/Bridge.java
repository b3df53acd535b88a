package recsys;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The methods of the bridge that belong to no recommender, and any method by its name. */
public final class Bridge {
    private final Engine engine;

    public Bridge(Engine engine) {
        this.engine = engine;
    }

    /** Call a method with JSON values (maps, lists, strings, numbers, booleans, null); gives such a value. */
    public Object call(String method, Map<String, ?> arguments) throws RecsysException {
        String payload;
        try {
            payload = Json.write(arguments);
        } catch (IllegalArgumentException wrong) {
            throw new RecsysException.Input("payload", "payload: " + wrong.getMessage());
        }
        Map<?, ?> answer = (Map<?, ?>) Json.read(engine.call(method, payload.getBytes(StandardCharsets.UTF_8)));
        if (answer.get("error") instanceof Map<?, ?> error) {
            String message = (String) error.get("message");
            throw RecsysException.of((String) error.get("kind"), (String) error.get("field"), message);
        }
        return answer.get("result");
    }

    /** The versions of recsys, of the bridge, and of what they stand on. */
    public Map<String, String> version() throws RecsysException {
        Map<String, String> found = new LinkedHashMap<>();
        ((Map<?, ?>) call("version", Map.of())).forEach((name, text) -> found.put((String) name, (String) text));
        return found;
    }

    /** The JSON Schema of all calls. */
    public Object schema() throws RecsysException {
        return call("schema", Map.of());
    }

    /** One call of a batch. */
    public record Call(String method, Map<String, ?> arguments) {}

    /** Make many calls at once; each answer is a map with {@code "result"} or {@code "error"}. */
    public List<Object> batch(List<Call> calls) throws RecsysException {
        List<Object> told = new ArrayList<>();
        for (Call one : calls) {
            Map<String, Object> call = new LinkedHashMap<>();
            call.put("method", one.method);
            call.put("arguments", one.arguments);
            told.add(call);
        }
        return new ArrayList<>((List<?>) call("batch", Map.of("calls", told)));
    }

    /** Move a log that cannot be opened out of the way; gives where it is now. */
    public String setAside(String path, Opened key) throws RecsysException {
        return (String) call("set_aside", new Opened().set("path", path).with(key).told);
    }

    /** Close all that is open; gives how many there were. */
    public long closeAll() throws RecsysException {
        return (Long) call("close_all", Map.of());
    }
}
