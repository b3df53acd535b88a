package recsys;

import java.util.List;
import java.util.Map;

/** One thing that happened, as it stands in the log. */
public record Event(
        long atUs,
        String uid,
        String itemId,
        String kind,
        long offsetMin,
        Double value,
        Map<String, Object> context,
        String slate,
        List<Shown> shown) {

    /** Where an item stood in a slate that was shown. */
    public record Shown(String itemId, long position, double propensity) implements Records.Tuple {}

    /** Says nothing of what a person did. */
    @Override
    public String toString() {
        return "Event[<redacted>]";
    }
}
