package recsys;

import java.util.Map;

/** How a file is opened. */
public final class Opened extends Arguments<Opened> {
    /** 32 random bytes, in hexadecimal digits. */
    public Opened key(String digits) {
        return set("key", digits);
    }

    /** Fields of recsys's Settings by their names, such as {@code "keep_days"}. */
    public Opened settings(Map<String, ?> settings) {
        return set("settings", settings);
    }

    /** The path of a prior or of a prior pack. */
    public Opened prior(String path) {
        return set("prior", path);
    }
}
