package recsys;

import java.util.Map;

/** Predict, then learn, over the own log: by ranker, then by metric. */
public record Evaluation(long nEvents, long nScored, Map<String, Map<String, Metric>> metrics, long nByTrees) {}
