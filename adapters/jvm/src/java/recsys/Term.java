package recsys;

/** One feature's part in a score: {@code contribution = weight * (value - average)}. */
public record Term(String feature, String group, double value, double average, double weight, double contribution) {}
