package recsys;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;

/** What an answer may depend on: {@code recommend}, {@code rank}, {@code similar}, {@code explain}. */
public final class Asked extends Arguments<Asked> {
    public Asked at(OffsetDateTime at) {
        return set("at", moment(at));
    }

    public Asked at(Instant at) {
        return set("at", moment(at));
    }

    /** Seconds since 1970 UTC. */
    public Asked at(double seconds) {
        return set("at", seconds);
    }

    public Asked context(Map<String, ?> context) {
        return set("context", context);
    }

    /** At most how many; for {@code rank}. */
    public Asked k(int k) {
        return set("k", k);
    }

    public Asked exclude(List<String> ids) {
        return set("exclude", ids);
    }

    /** Names to a value, a list of values, or a map with "min" and "max". */
    public Asked where(Map<String, ?> wanted) {
        return set("where", wanted);
    }

    public Asked diversity(double diversity) {
        return set("diversity", diversity);
    }

    public Asked caps(Map<String, Integer> caps) {
        return set("caps", caps);
    }

    public Asked boosts(Map<String, ? extends Number> boosts) {
        return set("boosts", boosts);
    }

    public Asked pinned(List<String> ids) {
        return set("pinned", ids);
    }

    public Asked explore(double temperature) {
        return set("explore", temperature);
    }

    public Asked seed(long seed) {
        return set("seed", seed);
    }

    /** At most how many reasons an item; without it none are worded. */
    public Asked reasons(int most) {
        return set("reasons", most);
    }
}
