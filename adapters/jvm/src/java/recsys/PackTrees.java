package recsys;

/** Whether the trees that came with a pack join the score, and how they fared on the own log. */
public record PackTrees(boolean serves, long nTrees, long nChoices, double linear, double both, Metric gain) {}
