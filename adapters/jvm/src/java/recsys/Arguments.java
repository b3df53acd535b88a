package recsys;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a call may be given besides what it must: each method sets one argument, and gives this for the next. */
public abstract class Arguments<S extends Arguments<S>> {
    private static final DateTimeFormatter MOMENT = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSSxxx");
    final Map<String, Object> told = new LinkedHashMap<>();

    Arguments() {}

    /** Any argument by the bridge's own name for it. */
    @SuppressWarnings("unchecked")
    public S set(String name, Object value) {
        told.put(name, value);
        return (S) this;
    }

    /** These, and those of another. */
    @SuppressWarnings("unchecked")
    S with(Arguments<?> more) {
        if (more != null) {
            told.putAll(more.told);
        }
        return (S) this;
    }

    static String moment(OffsetDateTime at) {
        return MOMENT.format(at);
    }

    /** Rhythms are learnt in local time: an instant is told with this place's offset. */
    static String moment(Instant at) {
        return moment(at.atZone(ZoneId.systemDefault()).toOffsetDateTime());
    }
}
