package recsys;

import java.util.List;

/** What another order of the slates that were shown would have been worth; without an answer {@code reason} says why. */
public record Counterfactual(
        String reason,
        long nSlates,
        long nUsed,
        long nChoices,
        List<Double> examination,
        Estimate shown,
        Estimate byPosition,
        Estimate byExamination,
        Metric gain) {}
