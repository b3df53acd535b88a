package recsys;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Map;

/** What may be said of an event. */
public final class Happened extends Arguments<Happened> {
    public Happened() {}

    /** For {@code recordMany}: what happened with this item. */
    public static Happened of(String itemId) {
        return new Happened().set("item_id", itemId);
    }

    public Happened kind(String kind) {
        return set("kind", kind);
    }

    public Happened value(double value) {
        return set("value", value);
    }

    public Happened at(OffsetDateTime at) {
        return set("at", moment(at));
    }

    public Happened at(Instant at) {
        return set("at", moment(at));
    }

    /** Seconds since 1970 UTC. */
    public Happened at(double seconds) {
        return set("at", seconds);
    }

    public Happened context(Map<String, ?> context) {
        return set("context", context);
    }

    /** The slate from which it was chosen. */
    public Happened slate(Slate slate) {
        return set("slate", slate.id());
    }
}
