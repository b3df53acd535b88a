package recsys;

import java.time.Instant;
import java.util.List;

/** What to forget: criteria of different names must all apply. */
public final class Forgotten extends Arguments<Forgotten> {
    public static Forgotten everything() {
        return new Forgotten().set("everything", true);
    }

    public Forgotten events(List<String> uids) {
        return set("events", uids);
    }

    public Forgotten items(List<String> ids) {
        return set("items", ids);
    }

    public Forgotten kinds(List<String> kinds) {
        return set("kinds", kinds);
    }

    public Forgotten since(Instant at) {
        return set("since", moment(at));
    }

    public Forgotten until(Instant at) {
        return set("until", moment(at));
    }
}
