package recsys;

import java.util.List;

/** Which model serves where the settings ask for trees, and why; {@code pack} is null unless a pack brought trees. */
public record TreeStats(
        boolean serves,
        long stage,
        long growing,
        long nTrees,
        long sizeBytes,
        long nChoices,
        double linear,
        double trees,
        double both,
        Metric gain,
        List<TreeStage> history,
        List<TreeDecision> decisions,
        PackTrees pack) {}
