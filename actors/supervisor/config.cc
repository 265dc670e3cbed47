/* Reading TOML: this, config_plugins and hosts_file are the only C++ of the project, behind C headers. */
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/base/toml.hpp"
#include "actors/supervisor/config_plugins.hpp"

extern "C" {
#include "actors/supervisor/config.h"
}

namespace
{

const size_t FILE_MAX = 1 << 20; /* bytes */

enum kind { TEXT, WORD, LIST, NUMBER, SIZE, SHARE, TIME };

struct setting {
    kind what;
    const char *key;
    const char *fallback;
    const char *least; /* numbers: the smallest; words: the words */
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

/* As config_each() tells it: made beforehand, because nothing may throw there. */
struct shown {
    std::string key, value, origin;
};

struct holder : config {
    std::map<std::string, value> values;
    std::map<std::string, value> named; /* runtimes: name to path */
    std::vector<std::vector<const char *>> lists;
    std::vector<config_runtime> runtime_list;
    plugin_list plugin_entries;
    std::vector<struct shown> shown;

    void publish();
    void show();
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

/* 100ms, 1.5s, 2m, 1h: milliseconds; false when it is none of these. */
bool time_of(const std::string &text, uint64_t &ms)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    char *end = nullptr;

    if (text.empty() || text[0] < '0' || text[0] > '9' || text.size() > 20)
        return false;
    const double number = std::strtod(text.c_str(), &end);
    for (const auto &unit : units)
        if (std::strcmp(end, unit.unit) == 0) {
            ms = static_cast<uint64_t>(number * unit.ms);
            return true;
        }
    return false;
}

/* Makes the plain C members point to the values. */
void holder::publish()
{
    /* two engines with a state each must not meet at one socket */
    if (values["listen"].origin == "default")
        values["listen"].items = { std::string("ipc://") + first_of(values["state"]) +
                                   "/gantry.sock" };
    lists.clear();
    lists.reserve(16); /* no moves: pointers are handed out */
    runtime_list.clear();
#define PUBLISH_TEXT(member, key)                              member = first_of(values[key]);
#define PUBLISH_WORD(member, key)                              member = first_of(values[key]);
#define PUBLISH_LIST(member, key)                              member = publish_list(*this, values[key].items);
#define PUBLISH_NUMBER(member, key)                            member = std::strtoull(first_of(values[key]), nullptr, 10);
#define PUBLISH_SIZE(member, key)                              PUBLISH_NUMBER(member, key)
#define PUBLISH_SHARE(member, key)                             member = std::strtod(first_of(values[key]), nullptr);
#define PUBLISH_TIME(member, key)                              time_of(first_of(values[key]), member);
#define SETTING(kind, member, key, fallback, least, most, doc) PUBLISH_##kind(member, key)
#include "actors/supervisor/config.def"
#undef SETTING
    for (const auto &entry : named)
        runtime_list.push_back({ entry.first.c_str(), first_of(entry.second) });
    runtime_list.push_back({ nullptr, nullptr });
    runtimes = runtime_list.data();
    plugins = plugin_entries.publish();
    show();
}

std::string join(const std::vector<std::string> &items)
{
    std::string text;

    for (const auto &item : items)
        text += (text.empty() ? "" : " ") + item;
    return text;
}

void holder::show()
{
    shown.clear();
    for (const auto &entry : settings)
        shown.push_back({ entry.key, join(values[entry.key].items), values[entry.key].origin });
    for (const auto &entry : named)
        shown.push_back({ "runtimes." + entry.first, first_of(entry.second), entry.second.origin });
    for (const auto &entry : plugin_entries.entries)
        shown.push_back({ "proxy_plugins." + entry.first,
                          entry.second.type + " " + entry.second.address, entry.second.origin });
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

/* What a text must be beyond its kind: by key, because each is its own. */
struct demand {
    const char *key;
    bool (*is_met)(const std::string &text);
    const char *expected;
};

bool is_folder(const std::string &text)
{
    return text.size() > 1 && text[0] == '/';
}

/* <state>/t/<16 hex>/sock must fit into the 107 bytes of a socket's path */
bool is_short_folder(const std::string &text)
{
    return is_folder(text) && text.size() <= 80;
}

bool is_endpoint(const std::string &text)
{
    static const std::string scheme = "ipc://";

    return text.compare(0, scheme.size(), scheme) == 0 && text.size() > scheme.size() + 1 &&
           text[scheme.size()] == '/' && text.size() <= scheme.size() + 107;
}

bool is_group(const std::string &text)
{
    return text.size() <= 32 && text.find_first_of(" :,/\t\n") == std::string::npos;
}

bool is_folder_or_none(const std::string &text)
{
    return text.empty() || is_folder(text);
}

bool is_host(const std::string &text)
{
    return !text.empty() && text.size() <= 255 && text.find_first_of("/@ ") == std::string::npos;
}

/* As containerd's config_path: /a, or /a:/b */
bool is_folders(const std::string &text)
{
    for (size_t at = 0; at <= text.size(); at = text.find(':', at) + 1) {
        if (at >= text.size() || text[at] != '/')
            return false;
        if (text.find(':', at) == std::string::npos)
            return true;
    }
    return false;
}

const demand demands[] = {
    { "root", is_folder, "an absolute path" },
    { "state", is_short_folder, "an absolute path of at most 80 bytes" },
    { "listen", is_endpoint, "a list of one endpoint or more, ipc:///PATH of at most 107 bytes" },
    { "group", is_group, "the name of a group, or \"\" for root alone" },
    { "registries.hosts", is_folders, "a list of absolute paths" },
    { "verifiers.folder", is_folder_or_none, "an absolute path, or \"\" for none" },
    { "registries.plain_http", is_host, "a list of registries, host or host:port" },
};

const demand *find_demand(const setting &entry)
{
    for (const auto &demand : demands)
        if (std::strcmp(demand.key, entry.key) == 0)
            return &demand;
    return nullptr;
}

std::string expected(const setting &entry)
{
    if (const demand *demand = find_demand(entry))
        return demand->expected;
    switch (entry.what) {
    case WORD:
        return std::string("one of: ") + entry.least;
    case LIST:
        return "a list of texts";
    case NUMBER:
        return std::string("a number from ") + entry.least + " to " + entry.most;
    case SIZE:
        return std::string("a size from ") + entry.least + " to " + entry.most + " bytes, e.g. 64m";
    case SHARE:
        return std::string("a number from ") + entry.least + " to " + entry.most;
    case TIME:
        return "a time of at most an hour, e.g. 100ms or 2s";
    default:
        return "a text that is not empty";
    }
}

bool accept_number(const setting &entry, std::string &text)
{
    uint64_t number = 0;

    if (!number_of(text, entry.what == SIZE, number) ||
        number < std::strtoull(entry.least, nullptr, 10) ||
        number > std::strtoull(entry.most, nullptr, 10))
        return false;
    text = std::to_string(number);
    return true;
}

bool accept_share(const setting &entry, const std::string &text)
{
    char *end = nullptr;
    const double share = std::strtod(text.c_str(), &end);

    return !text.empty() && text[0] >= '0' && text[0] <= '9' && *end == '\0' &&
           share >= std::strtod(entry.least, nullptr) && share <= std::strtod(entry.most, nullptr);
}

bool accept_time(const setting &entry, const std::string &text)
{
    uint64_t ms = 0;

    return time_of(text, ms) && ms <= std::strtoull(entry.most, nullptr, 10);
}

bool accept_text(const setting &entry, const std::string &text)
{
    const demand *demand = find_demand(entry);

    if (text.find('\0') != std::string::npos)
        return false;
    if (entry.what == WORD) {
        for (const auto &word : split(entry.least))
            if (word == text)
                return true;
        return false;
    }
    return demand != nullptr ? demand->is_met(text) : !text.empty();
}

bool accept_one(const setting &entry, std::string &text)
{
    switch (entry.what) {
    case NUMBER:
    case SIZE:
        return accept_number(entry, text);
    case SHARE:
        return accept_share(entry, text);
    case TIME:
        return accept_time(entry, text);
    default:
        return accept_text(entry, text);
    }
}

bool accept(const setting &entry, std::vector<std::string> items, value &out)
{
    if (entry.what != LIST && items.size() != 1)
        return false;
    if (std::strcmp(entry.key, "listen") == 0 && items.empty())
        return false;
    for (auto &item : items)
        if (!accept_one(entry, item))
            return false;
    out.items = std::move(items);
    return true;
}

/* "log.level is 'loud', expected one of ..." */
std::string refusal(const setting &entry, const std::vector<std::string> &items)
{
    std::string text = entry.key, found = items.size() == 1 ? items[0].substr(0, 60) : "";

    for (auto &c : found)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            c = '?';
    if (items.size() == 1)
        text += " is '" + found + "',";
    return text + " expected " + expected(entry);
}

std::string share_text(double share)
{
    char text[32];

    snprintf(text, sizeof(text), "%.6g", share);
    return text;
}

/* The scalar or list behind a node, as texts; false when it is of another type than the setting's.
 */
bool texts_of(const setting &entry, const toml::node &node, std::vector<std::string> &items)
{
    const auto *number = node.as_integer();
    const auto *text = node.as_string();
    const auto *array = node.as_array();

    if (node.is_floating_point() && entry.what == SHARE)
        return items.push_back(share_text(node.as_floating_point()->get())), true;
    if (number != nullptr && (entry.what == NUMBER || entry.what == SIZE))
        return items.push_back(std::to_string(number->get())), true;
    if (const auto *truth = node.as_boolean(); truth != nullptr && entry.what == WORD)
        return items.push_back(truth->get() ? "true" : "false"), true; /* accepted where it is a word */
    if (text != nullptr && entry.what != NUMBER)
        return items.push_back(text->get()), true;
    if (array == nullptr || entry.what != LIST)
        return false;
    for (const auto &item : *array) {
        if (!item.is_string())
            return false;
        items.push_back(item.as_string()->get());
    }
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
            std::string name(key.str());

            if (text == nullptr || text->get().empty() ||
                text->get().find('\0') != std::string::npos)
                return error_set(err, ERROR_INVALID_ARGUMENT,
                                 "%s: runtimes.%s: expected the path of a program",
                                 place(node).c_str(), name.c_str());
            config.named[name].items = { text->get() };
            config.named[name].origin = place(node);
        }
        return 0;
    }

    void say(const std::string &text) const
    {
        if (warn != nullptr)
            warn(ctx, text.c_str());
    }

    int take_plugins(const toml::node &node)
    {
        plugin_list &list = config.plugin_entries;

        list.place = [this](const toml::node &of) { return place(of); };
        list.warn = [this](const std::string &text) { say(text); };
        return list.take(node, { "overlay", "native", "btrfs" }, err);
    }

    /* Of containerd's file: what is read here is the same in all of them. */
    void take_version(const toml::node &node)
    {
        const auto *number = node.as_integer();

        if (number == nullptr || number->get() < 1 || number->get() > 4)
            say(place(node) + ": version is none from 1 to 4: the file is read all the same");
    }

    int take_value(const std::string &key, const toml::node &node)
    {
        const setting *entry = find_setting(key);
        std::vector<std::string> items;

        if (entry == nullptr) {
            say(place(node) + ": there is no setting " + key + ": it is ignored");
            return 0;
        }
        if (!texts_of(*entry, node, items) || !accept(*entry, items, config.values[key]))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: %s", place(node).c_str(),
                             refusal(*entry, items).c_str());
        config.values[key].origin = place(node);
        return 0;
    }

    int take_table(const toml::table &table, const std::string &prefix)
    {
        for (auto &&[key, node] : table) {
            std::string name = prefix + std::string(key.str());
            const auto *inner = node.as_table();
            int result = 0;

            if (name == "proxy_plugins")
                result = take_plugins(node);
            else if (name == "version")
                take_version(node);
            else if (inner != nullptr && name == "runtimes")
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
        config.values[entry.key].items =
            entry.what == LIST ? split(entry.fallback) : std::vector<std::string>{ entry.fallback };
}

/* The whole file; a folder or a failing disk is an error, not an empty configuration. */
int read_file(const char *path, bool must_exist, std::string &text, error *err)
{
    FILE *file = std::fopen(path, "re");
    char part[4096];
    size_t size;
    int failed = 0;

    if (file == nullptr)
        return must_exist || errno != ENOENT ? error_sys(err, errno, "open %s", path) : 0;
    errno = 0;
    while ((size = std::fread(part, 1, sizeof(part), file)) > 0 && text.size() <= FILE_MAX)
        text.append(part, size);
    if (std::ferror(file))
        failed = errno != 0 ? errno : EIO;
    std::fclose(file);
    if (failed != 0)
        return error_sys(err, failed, "read %s", path);
    if (text.size() > FILE_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: larger than %zu bytes", path, FILE_MAX);
    return 0;
}

int load(holder &config, const char *path, bool must_exist, config_warning *warn, void *ctx,
         error *err)
{
    reading reading = { config, path, warn, ctx, err };
    std::string text;

    if (read_file(path, must_exist, text, err) < 0)
        return -1;
    try {
        return reading.take_table(toml::parse(text, std::string(path)), "");
    } catch (const toml::parse_error &problem) {
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s:%u: %s", path,
                         static_cast<unsigned>(problem.source().begin.line),
                         std::string(problem.description()).c_str());
    } catch (const std::logic_error &problem) {
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: %s", path, problem.what());
    }
}

} // namespace

extern "C" int config_load(const char *path, bool must_exist, struct config **config,
                           config_warning *warn, void *ctx, struct error *err)
{
    try {
        auto made = std::make_unique<holder>();

        set_defaults(*made);
        if (path != nullptr && load(*made, path, must_exist, warn, ctx, err) < 0)
            return -1;
        made->publish();
        *config = made.release();
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

extern "C" int config_set(struct config *config, const char *key, const char *text,
                          const char *origin, struct error *err)
{
    try {
        auto *self = static_cast<holder *>(config);
        const setting *entry = find_setting(key);
        value wanted;

        if (entry == nullptr)
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: there is no setting %s", origin,
                             key);
        auto items = entry->what == LIST ? split(text) : std::vector<std::string>{ text };
        if (!accept(*entry, items, wanted))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: %s", origin,
                             refusal(*entry, items).c_str());
        wanted.origin = origin;
        self->values[key] = wanted;
        self->publish();
        return 0;
    } catch (const std::exception &problem) {
        return error_set(err, ERROR_INTERNAL, "configuration: %s", problem.what());
    }
}

extern "C" void config_each(const struct config *config,
                            void (*each)(void *ctx, const char *key, const char *value,
                                         const char *origin),
                            void *ctx)
{
    const auto *self = static_cast<const holder *>(config);

    for (const auto &line : self->shown)
        each(ctx, line.key.c_str(), line.value.c_str(), line.origin.c_str());
}

extern "C" size_t config_count(const struct config *config)
{
    return static_cast<const holder *>(config)->shown.size();
}
