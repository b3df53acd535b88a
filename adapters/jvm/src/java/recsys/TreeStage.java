package recsys;

/** What the trees of one stage were worth on the choices that came after it: mean NDCG@10. */
public record TreeStage(long number, long nChoices, double linear, double trees, double both) {}
