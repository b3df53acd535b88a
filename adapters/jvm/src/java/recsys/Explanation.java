package recsys;

import java.util.List;

/** Every term of one item's score among all candidates, and the events behind it. */
public record Explanation(
        String itemId,
        double score,
        double averageScore,
        long rank,
        long nCandidates,
        List<Term> terms,
        List<Reason> reasons,
        List<Event> events) {

    /** Says nothing of what a person did. */
    @Override
    public String toString() {
        return "Explanation[score=" + score + ", rank=" + rank + "]";
    }
}
