package recsys;

import java.util.List;
import java.util.Map;

/** What was learnt, readable. */
public record Profile(
        long nEvents,
        long nItems,
        List<Habit> habits,
        Map<String, Weight> weights,
        Map<String, Double> priorWeights,
        Map<String, Double> steers) {

    /** A weight and its posterior standard deviation. */
    public record Weight(double mean, double deviation) implements Records.Tuple {}

    /** Says nothing of what a person did. */
    @Override
    public String toString() {
        return "Profile[nEvents=" + nEvents + ", nItems=" + nItems + "]";
    }
}
