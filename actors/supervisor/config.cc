/* Reading TOML: this, what config_*.hpp declare and hosts_file are the only C++ of the project, behind C headers. */
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
#include "actors/supervisor/config_values.hpp"

extern "C" {
#include "actors/supervisor/config.h"
}

namespace
{

const size_t FILE_MAX = 1 << 20; /* bytes */

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
        const setting *entry = setting_find(key);
        std::vector<std::string> items;

        if (entry == nullptr) {
            say(place(node) + ": there is no setting " + key + ": it is ignored");
            return 0;
        }
        if (!texts_of(*entry, node, items) || !setting_accept(*entry, items))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: %s", place(node).c_str(),
                             setting_refusal(*entry, items).c_str());
        config.values[key] = { items, place(node) };
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
        const setting *entry = setting_find(key);

        if (entry == nullptr)
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: there is no setting %s", origin,
                             key);
        auto items = entry->what == LIST ? split(text) : std::vector<std::string>{ text };
        if (!setting_accept(*entry, items))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: %s", origin,
                             setting_refusal(*entry, items).c_str());
        self->values[key] = { items, origin };
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
