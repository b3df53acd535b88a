package recsys;

/** One group of terms of a score, worded for a person. {@code lastAt}: seconds since 1970 UTC, null without events. */
public record Reason(String text, String group, double contribution, long nEvents, Double lastAt) {
    @Override
    public String toString() {
        return text;
    }
}
