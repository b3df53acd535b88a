package recsys;

/** What served from a stage of trees to the next one, and the evidence on which that was decided. */
public record TreeDecision(
        long stage, long nLearnt, long nTrees, boolean serves, long nChoices, double gain, double standardError) {}
