import java.time.Instant
import recsys.Item
import recsys.JniEngine
import recsys.RecsysException
import recsys.forget
import recsys.open
import recsys.rank
import recsys.recommend
import recsys.record
import recsys.use

/** A Kotlin program with a recommender in it: PYTHON [FILE]. */
fun main(words: Array<String>) {
    JniEngine.boot(words[0]).open(words.getOrElse(1) { ":memory:" }).use { rec ->
        rec.add(listOf(Item("tea", "Tea"), Item("cola", "Cola")))
        val monday = Instant.parse("2026-03-02T08:00:00Z")
        rec.record("cola", kind = "play", at = monday, context = mapOf("place" to "home"))
        for (item in rec.recommend(2, at = monday.plusSeconds(86400), reasons = 1) { pinned(listOf("tea")) }) {
            println("${item.position()} ${item.itemId()} ${item.reasons()[0]}")
        }
        println(rec.rank(listOf("cola", "tea"), at = monday.plusSeconds(86400)).itemIds())
        try {
            rec.record("")
        } catch (refused: RecsysException.Input) {
            println("${refused.kind()} ${refused.field()}")
        }
        println(rec.forget(items = listOf("cola")).status())
    }
}
