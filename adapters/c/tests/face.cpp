// The contract through recsys.hpp: a call with its exceptions, told again as the bridge tells it.

#include <cstdlib>
#include <cstring>
#include <recsys.hpp>

static std::string quoted(const std::string &text) {
    std::string found = "\"";
    for (char letter : text) found += (letter == '"' || letter == '\\') ? std::string("\\") + letter : std::string(1, letter);
    return found + "\"";
}

extern "C" int face(const char *method, const char *payload, std::size_t size, char **answer, std::size_t *answer_size) {
    std::string told;
    int done = RECSYS_OK;
    try {
        told = "{\"result\":" + recsys::call(method, {payload, size}) + "}";
    } catch (const recsys::error &refused) {
        done = RECSYS_FAILED;
        told = "{\"error\":{\"kind\":" + quoted(refused.kind) + ",\"field\":" +
               (refused.field.empty() ? "null" : quoted(refused.field)) + ",\"message\":" + quoted(refused.what()) + "}}";
    }
    *answer = static_cast<char *>(std::malloc(told.size() + 1));
    std::memcpy(*answer, told.c_str(), told.size() + 1);
    *answer_size = told.size();
    return done;
}
