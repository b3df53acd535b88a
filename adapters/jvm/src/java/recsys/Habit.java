package recsys;

/** One thing that was learnt about the person, readable. */
public record Habit(String text, String itemId, double share, long nEvents, Double lastAt) {
    /** Says nothing of what a person did. */
    @Override
    public String toString() {
        return "Habit[share=" + share + ", nEvents=" + nEvents + "]";
    }
}
