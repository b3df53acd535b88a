package recsys;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Something that can be recommended. Attributes are strings, numbers and booleans; "vector" may be a list or an array of
 * numbers.
 */
public record Item(String id, String title, List<String> tags, Map<String, ?> attributes) {
    public Item(String id) {
        this(id, "", List.of(), Map.of());
    }

    public Item(String id, String title, String... tags) {
        this(id, title, List.of(tags), Map.of());
    }

    /** The same with another attribute. */
    public Item with(String name, Object value) {
        Map<String, Object> more = new LinkedHashMap<>(attributes);
        more.put(name, value);
        return new Item(id, title, tags, more);
    }

    Map<String, Object> told() {
        Map<String, Object> found = new LinkedHashMap<>(attributes);
        found.put("id", id);
        found.put("title", title);
        found.put("tags", tags);
        return found;
    }

    /** Says nothing of what the item is. */
    @Override
    public String toString() {
        return "Item[<redacted>]";
    }
}
