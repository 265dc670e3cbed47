/* Reading TOML: the only C++ of the project, behind a C header. */
#include "actors/supervisor/config.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

namespace {

enum kind { TEXT, WORD, LIST, NUMBER, SIZE };

struct setting {
    kind what;
    const char *key;
    const char *fallback;
    const char *least; /* numbers: the smallest; words: the words; lists: what an entry begins with */
    const char *most;
};

const setting settings[] = {
#define SETTING(kind, member, key, fallback, least, most, doc) { kind, key, fallback, least, most },
#include "actors/supervisor/config.def"
#undef SETTING
};

struct value {
    std::vector<std::string> items;
    std::string origin = "default";
};

struct holder : config {
    std::map<std::string, value> values;
    std::vector<std::pair<std::string, std::string>> named; /* runtimes */
    std::vector<std::vector<const char *>> lists;
    std::vector<config_runtime> runtime_list;

    void publish();
};

std::vector<std::string> split(const std::string &text)
{
    std::vector<std::string> words;

    for (size_t at = 0; at < text.size();) {
        size_t end = text.find_first_of(" ,", at);
        if (end == std::string::npos)
            end = text.size();
        if (end > at)
            words.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

const char *const *publish_list(holder &config, const std::vector<std::string> &items)
{
    std::vector<const char *> list;

    for (const auto &item : items)
        list.push_back(item.c_str());
    list.push_back(nullptr);
    config.lists.push_back(std::move(list));
    return config.lists.back().data();
}

const char *first_of(const value &value)
{
    return value.items.empty() ? "" : value.items.front().c_str();
}

/* Makes the plain C members point to the values. */
void holder::publish()
{
    lists.clear();
    lists.reserve(16); /* no moves: pointers are handed out */
    runtime_list.clear();
#define PUBLISH_TEXT(member, key)   member = first_of(values[key]);
#define PUBLISH_WORD(member, key)   member = first_of(values[key]);
#define PUBLISH_LIST(member, key)   member = publish_list(*this, values[key].items);
#define PUBLISH_NUMBER(member, key) member = std::strtoull(first_of(values[key]), nullptr, 10);
#define PUBLISH_SIZE(member, key)   PUBLISH_NUMBER(member, key)
#define SETTING(kind, member, key, fallback, least, most, doc) PUBLISH_##kind(member, key)
#include "actors/supervisor/config.def"
#undef SETTING
    for (const auto &entry : named)
        runtime_list.push_back({ entry.first.c_str(), entry.second.c_str() });
    runtime_list.push_back({ nullptr, nullptr });
    runtimes = runtime_list.data();
}

const setting *find_setting(const std::string &key)
{
    for (const auto &entry : settings)
        if (key == entry.key)
            return &entry;
    return nullptr;
}

/* 64m, 1g, 4096: bytes, in powers of 1024; false when it is none of these. */
bool number_of(const std::string &text, bool with_unit, uint64_t &number)
{
    char *end = nullptr;
    unsigned shift = 0;

    if (text.empty() || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    number = std::strtoull(text.c_str(), &end, 10);
    if (errno != 0)
        return false;
    if (*end != '\0' && with_unit) {
        const char *units = "kmgt", *unit = std::strchr(units, *end | 0x20);

        if (unit == nullptr)
            return false;
        shift = 10u * static_cast<unsigned>(unit - units + 1);
        end++;
        if ((*end | 0x20) == 'i')
            end++;
        if ((*end | 0x20) == 'b')
            end++;
    }
    if (*end != '\0' || (shift > 0 && number > UINT64_MAX >> shift))
        return false;
    number <<= shift;
    return true;
}

std::string expected(const setting &entry)
{
    switch (entry.what) {
    case WORD:
        return std::string("one of: ") + entry.least;
    case LIST:
        return std::string("a list of texts") + (entry.least[0] ? std::string(", each beginning with ") + entry.least : "");
    case NUMBER:
        return std::string("a number from ") + entry.least + " to " + entry.most;
    case SIZE:
        return std::string("a size from ") + entry.least + " to " + entry.most + " bytes, e.g. 64m";
    default:
        return "a text that is not empty";
    }
}

bool accept(const setting &entry, std::vector<std::string> items, value &out)
{
    uint64_t number = 0;

    if (entry.what != LIST && items.size() != 1)
        return false;
    if (entry.what == LIST) {
        for (const auto &item : items)
            if (item.empty() || item.compare(0, std::strlen(entry.least), entry.least) != 0)
                return false;
    } else if (entry.what == WORD) {
        bool found = false;
        for (const auto &word : split(entry.least))
            found = found || word == items[0];
        if (!found)
            return false;
    } else if (entry.what == NUMBER || entry.what == SIZE) {
        if (!number_of(items[0], entry.what == SIZE, number) || number < std::strtoull(entry.least, nullptr, 10) ||
            number > std::strtoull(entry.most, nullptr, 10))
            return false;
        items[0] = std::to_string(number);
    } else if (items[0].empty() && std::strcmp(entry.key, "group") != 0) {
        return false;
    }
    if ((std::strcmp(entry.key, "root") == 0 || std::strcmp(entry.key, "state") == 0) && items[0][0] != '/')
        return false;
    out.items = std::move(items);
    return true;
}

/* The scalar or list behind a node, as texts; false when it is something else. */
bool texts_of(const toml::node &node, std::vector<std::string> &items)
{
    if (const auto *text = node.as_string())
        items.push_back(text->get());
    else if (const auto *number = node.as_integer())
        items.push_back(std::to_string(number->get()));
    else if (const auto *array = node.as_array()) {
        for (const auto &item : *array)
            if (const auto *entry = item.as_string())
                items.push_back(entry->get());
            else
                return false;
    } else
        return false;
    return true;
}

struct reading {
    holder &config;
    std::string path;
    config_warning *warn;
    void *ctx;
    error *err;

    std::string place(const toml::node &node) const
    {
        return path + ":" + std::to_string(node.source().begin.line);
    }

    int take_runtimes(const toml::table &table)
    {
        for (auto &&[key, node] : table) {
            const auto *text = node.as_string();

            if (text == nullptr || text->get().empty())
                return error_set(err, ERROR_INVALID_ARGUMENT, "%s: runtimes.%s: expected the path of a program",
                                 place(node).c_str(), std::string(key.str()).c_str());
            config.named.emplace_back(std::string(key.str()), text->get());
        }
        return 0;
    }

    int take_value(const std::string &key, const toml::node &node)
    {
        const setting *entry = find_setting(key);
        std::vector<std::string> items;

        if (entry == nullptr) {
            if (warn != nullptr)
                warn(ctx, (place(node) + ": there is no setting " + key + ": it is ignored").c_str());
            return 0;
        }
        if (!texts_of(node, items) || !accept(*entry, items, config.values[key]))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: %s: expected %s", place(node).c_str(), key.c_str(),
                             expected(*entry).c_str());
        config.values[key].origin = place(node);
        return 0;
    }

    int take_table(const toml::table &table, const std::string &prefix)
    {
        for (auto &&[key, node] : table) {
            std::string name = prefix + std::string(key.str());
            const auto *inner = node.as_table();
            int result;

            if (inner != nullptr && name == "runtimes")
                result = take_runtimes(*inner);
            else if (inner != nullptr)
                result = take_table(*inner, name + ".");
            else
                result = take_value(name, node);
            if (result < 0)
                return -1;
        }
        return 0;
    }
};

void set_defaults(holder &config)
{
    for (const auto &entry : settings)
        config.values[entry.key].items = entry.what == LIST ? split(entry.fallback) : std::vector<std::string>{ entry.fallback };
}

int load(holder &config, const char *path, bool must_exist, config_warning *warn, void *ctx, error *err)
{
    reading reading = { config, path, warn, ctx, err };
    FILE *file = std::fopen(path, "re");

    if (file == nullptr)
        return must_exist || errno != ENOENT ? error_sys(err, errno, "open %s", path) : 0;
    std::fclose(file);
    try {
        return reading.take_table(toml::parse_file(path), "");
    } catch (const toml::parse_error &problem) {
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s:%u: %s", path, static_cast<unsigned>(problem.source().begin.line),
                         std::string(problem.description()).c_str());
    }
}

} // namespace

extern "C" int config_load(const char *path, bool must_exist, struct config **config, config_warning *warn, void *ctx,
                           struct error *err)
{
    try {
        auto *made = new holder();

        set_defaults(*made);
        if (path != nullptr && load(*made, path, must_exist, warn, ctx, err) < 0) {
            delete made;
            return -1;
        }
        made->publish();
        *config = made;
        return 0;
    } catch (const std::exception &problem) {
        return error_set(err, ERROR_INTERNAL, "configuration: %s", problem.what());
    }
}

extern "C" void config_free(struct config **config)
{
    delete static_cast<holder *>(*config);
    *config = nullptr;
}

extern "C" int config_set(struct config *config, const char *key, const char *text, const char *origin, struct error *err)
{
    try {
        auto *self = static_cast<holder *>(config);
        const setting *entry = find_setting(key);
        value wanted;

        if (entry == nullptr)
            return error_set(err, ERROR_INVALID_ARGUMENT, "there is no setting %s", key);
        if (!accept(*entry, entry->what == LIST ? split(text) : std::vector<std::string>{ text }, wanted))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: expected %s", origin, expected(*entry).c_str());
        wanted.origin = origin;
        self->values[key] = wanted;
        self->publish();
        return 0;
    } catch (const std::exception &problem) {
        return error_set(err, ERROR_INTERNAL, "configuration: %s", problem.what());
    }
}

extern "C" void config_each(const struct config *config,
                            void (*each)(void *ctx, const char *key, const char *value, const char *origin), void *ctx)
{
    const auto *self = static_cast<const holder *>(config);

    for (const auto &entry : settings) {
        const value &value = self->values.at(entry.key);
        std::string text;

        for (const auto &item : value.items)
            text += (text.empty() ? "" : " ") + item;
        each(ctx, entry.key, text.c_str(), value.origin.c_str());
    }
}

extern "C" size_t config_count(void)
{
    return sizeof(settings) / sizeof(*settings);
}
