// A C++ program with a recommender in it: host++ PYTHON [FILE].

#include <iostream>
#include <recsys.hpp>

int main(int argc, char **argv) {
    if (argc < 2) {
        std::cerr << "usage: host++ PYTHON [FILE]\n";
        return 2;
    }
    try {
        recsys::boot(argv[1]);
        recsys::recommender rec("{\"path\":\"" + std::string(argc > 2 ? argv[2] : ":memory:") + "\"}");
        rec.call("add", R"({"items":[{"id":"tea","title":"Tea"},{"id":"cola","title":"Cola"}]})");
        rec.call("record", R"({"item_id":"cola","at":"2026-03-02T08:00:00+01:00"})");
        std::cout << rec.call("recommend", R"({"k":2,"reasons":1,"at":"2026-03-03T08:00:00+01:00"})") << "\n";
        try {
            rec.call("record", R"({"item_id":""})");
        } catch (const recsys::error &refused) {
            std::cout << refused.kind << " " << refused.field << ": " << refused.what() << "\n";
        }
        std::cout << rec.call("forget", R"({"items":["cola"]})") << "\n" << rec.call("stats") << "\n";
    } catch (const recsys::error &refused) {
        std::cerr << refused.kind << ": " << refused.what() << "\n";
        return 1;
    }
}
