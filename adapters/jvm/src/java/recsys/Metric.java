package recsys;

/** A mean with its interval; NaN where there is none. */
public record Metric(double mean, double low, double high) {}
