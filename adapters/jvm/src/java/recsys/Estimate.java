package recsys;

/** A policy's value, estimated from a log that another one wrote. */
public record Estimate(
        double value,
        double low,
        double high,
        long n,
        double nEffective,
        double meanWeight,
        double largestWeight,
        double shareClipped,
        String estimator,
        String interval) {}
