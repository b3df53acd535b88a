// recsys for C++17: the C face with exceptions, and with recommenders that close themselves.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "recsys.h"

namespace recsys {

// What recsys refused: `kind` and `field` as in docs/bridge.md.
class error : public std::runtime_error {
public:
    error() : std::runtime_error(recsys_last_message()), kind(recsys_last_kind()), field(recsys_last_field()) {}
    std::string kind, field;
};

// Start the interpreter at this path, once a process.
inline void boot(const std::string &python) {
    if (!recsys_boot(python.c_str())) throw error();
}

// Make a call with a JSON object, and give what came back: the JSON of the result alone.
inline std::string call(const std::string &method, std::string_view arguments = {}) {
    constexpr std::string_view before = "{\"result\":";
    char *answer = nullptr;
    std::size_t size = 0;
    if (!recsys_call(method.c_str(), arguments.data(), arguments.size(), &answer, &size)) {
        recsys_free(answer);
        throw error();
    }
    struct freed {
        char *held;
        ~freed() { recsys_free(held); }
    } whole{answer};
    return std::string(answer + before.size(), size - before.size() - 1);
}

// One person's recommender. Closed when it goes out of scope.
class recommender {
public:
    // `arguments` are those of `open`, such as {"path":"me.db"}.
    explicit recommender(std::string_view arguments) : handle_(recsys::call("open", arguments)) {}
    recommender(recommender &&other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    recommender &operator=(recommender &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    recommender(const recommender &) = delete;
    recommender &operator=(const recommender &) = delete;
    ~recommender() {
        try {
            close();
        } catch (...) {  // what was recorded is on disk already
        }
    }

    // Call a method of the recommender with a JSON object; the handle is put in.
    std::string call(const std::string &method, std::string_view arguments = "{}") const {
        const auto rest = arguments.substr(arguments.find_first_not_of(" \t\r\n{", arguments.find('{')));
        return recsys::call(method, "{\"handle\":" + handle_ + (rest.front() == '}' ? "" : ",") + std::string(rest));
    }

    void close() {
        if (!handle_.empty()) recsys::call("close", "{\"handle\":" + std::exchange(handle_, {}) + "}");
    }

private:
    std::string handle_;
};

}  // namespace recsys
