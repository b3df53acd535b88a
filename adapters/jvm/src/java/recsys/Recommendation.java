package recsys;

import java.util.List;

/** One item of a slate. {@code reasons} is empty unless the call asked for some. */
public record Recommendation(
        String itemId, double score, long position, double propensity, boolean known, List<Reason> reasons) {
    public Recommendation {
        reasons = reasons == null ? List.of() : List.copyOf(reasons);
    }

    /** Says nothing of what a person did. */
    @Override
    public String toString() {
        return "Recommendation[position=" + position + ", score=" + score + "]";
    }
}
