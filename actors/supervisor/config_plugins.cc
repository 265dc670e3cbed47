/* config_plugins — see config_plugins.hpp. */
#include "actors/supervisor/config_plugins.hpp"

#include <algorithm>

namespace
{

const size_t NAME_MAX_BYTES = 63, ADDRESS_MAX_BYTES = 107 /* unix(7) */;

/* What containerd lets a plugin be called. */
bool is_name(const std::string &name)
{
    bool was_letter = false;

    for (const char c : name) {
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!is_letter && (!was_letter || (c != '.' && c != '_' && c != '-')))
            return false;
        was_letter = is_letter;
    }
    return was_letter && name.size() <= NAME_MAX_BYTES;
}

bool has_nul(const std::string &text)
{
    return text.find('\0') != std::string::npos;
}

/* os/arch or os/arch/variant */
bool is_platform(const std::string &text)
{
    size_t parts = 1, length = 0;

    for (const char c : text) {
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';

        if (c == '/' && length > 0 && parts++ < 3)
            length = 0;
        else if (is_letter)
            length++;
        else
            return false;
    }
    return length > 0 && parts > 1;
}

/* Why a plugin of this type is left out; empty: it is not. */
std::string reason(const std::string &type)
{
    if (type == "snapshot" || type == "io.containerd.snapshotter.v1")
        return "";
    if (type == "content" || type == "io.containerd.content.v1")
        return "content stores of others are not supported: blobs are kept in gantry's own store";
    if (type == "diff" || type == "io.containerd.differ.v1")
        return "differs of others are not supported: layers are read by gantry-unpack";
    if (type == "sandbox" || type == "io.containerd.sandbox.controller.v1")
        return "sandbox controllers are not supported";
    return "there is no type '" + type.substr(0, 40) + "' of plugins (snapshot is one)";
}

int expect(error *err, const std::string &place, const std::string &what, const char *expected)
{
    return error_set(err, ERROR_INVALID_ARGUMENT, "%s: %s: expected %s", place.c_str(), what.c_str(),
                     expected);
}

} // namespace

int plugin_list::take_key(plugin_entry &entry, const std::string &name, const std::string &key,
                          const toml::node &node, error *err)
{
    const std::string what = "proxy_plugins." + name + "." + key;
    std::string *text = key == "type"       ? &entry.type
                        : key == "address"  ? &entry.address
                        : key == "platform" ? &entry.platform
                                            : nullptr;

    if (text != nullptr) {
        if (!node.is_string() || has_nul(node.as_string()->get()))
            return expect(err, place(node), what, "a text");
        *text = node.as_string()->get();
    } else if (key == "exports") {
        if (!node.is_table())
            return expect(err, place(node), what, "a table of texts");
        for (auto &&[field, value] : *node.as_table()) {
            if (!value.is_string() || has_nul(value.as_string()->get()))
                return expect(err, place(value), what + "." + std::string(field.str()), "a text");
            entry.exports[std::string(field.str())] = value.as_string()->get();
        }
    } else if (key == "capabilities") {
        if (!node.is_array())
            return expect(err, place(node), what, "a list of texts");
        for (const auto &item : *node.as_array()) {
            if (!item.is_string() || has_nul(item.as_string()->get()))
                return expect(err, place(item), what, "a list of texts");
            entry.capabilities.push_back(item.as_string()->get());
        }
    } else {
        warn(place(node) + ": there is no setting " + what + ": it is ignored");
    }
    return 0;
}

int plugin_list::judge(plugin_entry &entry, const std::string &name, const toml::node &node,
                       error *err)
{
    const std::string what = "proxy_plugins." + name, scheme = "unix://";

    if (entry.type.empty())
        return expect(err, place(node), what + ".type", "snapshot");
    entry.problem = reason(entry.type);
    if (!entry.platform.empty() && !is_platform(entry.platform) && entry.problem.empty())
        entry.problem = "platform '" + entry.platform.substr(0, 40) + "' is none, e.g. linux/amd64";
    if (!entry.problem.empty()) {
        warn(place(node) + ": " + what + ": " + entry.problem + "; it is left out");
        return 0;
    }
    entry.type = "snapshot";
    if (entry.address.compare(0, scheme.size(), scheme) == 0)
        entry.address.erase(0, scheme.size());
    if (entry.address.size() < 2 || entry.address[0] != '/' ||
        entry.address.size() > ADDRESS_MAX_BYTES)
        return expect(err, place(node), what + ".address",
                      "the absolute path of a unix socket, of at most 107 bytes");
    return 0;
}

int plugin_list::take_one(const std::string &name, const toml::node &node, error *err)
{
    plugin_entry entry;

    if (!node.is_table())
        return expect(err, place(node), "proxy_plugins." + name, "a table");
    for (auto &&[key, value] : *node.as_table())
        if (take_key(entry, name, std::string(key.str()), value, err) < 0)
            return -1;
    if (judge(entry, name, node, err) < 0)
        return -1;
    entry.origin = place(node);
    entries[name] = entry;
    return 0;
}

int plugin_list::take(const toml::node &node, const std::vector<std::string> &taken_names,
                      error *err)
{
    if (!node.is_table())
        return expect(err, place(node), "proxy_plugins", "a table");
    for (auto &&[key, value] : *node.as_table()) {
        const std::string name(key.str());

        if (!is_name(name))
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "%s: proxy_plugins: '%s' is no name: letters, digits, and . _ - "
                             "between them, at most %zu bytes",
                             place(value).c_str(), name.substr(0, 80).c_str(), NAME_MAX_BYTES);
        if (std::find(taken_names.begin(), taken_names.end(), name) != taken_names.end())
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "%s: proxy_plugins.%s: gantry has a snapshot driver of its own that "
                             "is called so: call the plugin something else",
                             place(value).c_str(), name.c_str());
        if (take_one(name, value, err) < 0)
            return -1;
    }
    return 0;
}

const config_plugin *plugin_list::publish()
{
    plain.clear();
    pairs.clear();
    lists.clear();
    pairs.reserve(entries.size()); /* no moves: pointers are handed out */
    lists.reserve(entries.size());
    for (const auto &[name, entry] : entries) {
        std::vector<config_pair> exports;
        std::vector<const char *> capabilities;

        for (const auto &[key, text] : entry.exports)
            exports.push_back({ key.c_str(), text.c_str() });
        exports.push_back({ nullptr, nullptr });
        pairs.push_back(std::move(exports));
        for (const auto &text : entry.capabilities)
            capabilities.push_back(text.c_str());
        capabilities.push_back(nullptr);
        lists.push_back(std::move(capabilities));
        plain.push_back({ name.c_str(), entry.type.c_str(), entry.address.c_str(),
                          entry.platform.empty() ? nullptr : entry.platform.c_str(),
                          pairs.back().data(), lists.back().data(),
                          entry.problem.empty() ? nullptr : entry.problem.c_str() });
    }
    plain.push_back({});
    return plain.data();
}
