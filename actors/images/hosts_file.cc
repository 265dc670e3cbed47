/* hosts_file — C++ because toml++ is; everything that leaves lies in the caller's arena. */
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "actors/base/toml.hpp"

#include "actors/images/hosts_file.h"

namespace
{

/* What is wrong, and where. */
struct wrong {
    unsigned line;
    std::string what;
};

unsigned line_of(const toml::node &node)
{
    return static_cast<unsigned>(node.source().begin.line);
}

[[noreturn]] void refuse(const toml::node &node, const std::string &what)
{
    throw wrong{ line_of(node), what };
}

/* Foreign text for a message: short, and nothing that steers a terminal. */
std::string shown(std::string text)
{
    text.resize(std::min<size_t>(text.size(), 60));
    for (auto &c : text)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e)
            c = '?';
    return "\"" + text + "\"";
}

const std::string &text_of(const std::string &key, const toml::node &node)
{
    const auto *text = node.as_string();

    if (text == nullptr)
        refuse(node, key + ": expected a text");
    if (text->get().find_first_of(std::string("\0\n\r", 3)) != std::string::npos)
        refuse(node, key + ": a text of one line was expected");
    return text->get();
}

bool flag_of(const std::string &key, const toml::node &node)
{
    const auto *flag = node.as_boolean();

    if (flag == nullptr)
        refuse(node, key + ": expected true or false");
    return flag->get();
}

/* A text, or a list of texts. */
std::vector<std::string> texts_of(const std::string &key, const toml::node &node)
{
    std::vector<std::string> texts;

    if (const auto *array = node.as_array())
        for (const auto &item : *array)
            texts.push_back(text_of(key, item));
    else
        texts.push_back(text_of(key, node));
    return texts;
}

/* "1m30s", "500ms", "1.5s": Go's durations. */
unsigned duration_of(const std::string &key, const toml::node &node)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = { { "ns", 1e-6 }, { "us", 1e-3 }, { "ms", 1 },
                  { "s", 1e3 },   { "m", 6e4 },   { "h", 3.6e6 } };
    const std::string &text = text_of(key, node);
    double total = 0;
    size_t at = 0;

    while (at < text.size()) {
        size_t digits = text.find_first_not_of("0123456789.", at);
        size_t end =
            digits == std::string::npos ? digits : text.find_first_of("0123456789.", digits);
        const char *number = text.data() + at;
        double amount = 0, ms = -1;

        if (digits == at || digits == std::string::npos)
            break;
        end = end == std::string::npos ? text.size() : end;
        for (const auto &unit : units)
            if (text.compare(digits, end - digits, unit.name) == 0)
                ms = unit.ms;
        if (ms < 0 ||
            std::from_chars(number, text.data() + digits, amount).ptr != text.data() + digits)
            break;
        ms *= amount;
        total += ms;
        at = end;
    }
    if (text.empty() || at < text.size() || total < 1 || total > 3.6e6)
        refuse(node, key + " is " + shown(text) + ", expected a time from 1ms to 1h, e.g. \"5s\"");
    return static_cast<unsigned>(total);
}

unsigned capabilities_of(const std::string &key, const toml::node &node)
{
    unsigned all = 0;

    for (const auto &word : texts_of(key, node)) {
        unsigned one = word == "pull"      ? HOST_PULL
                       : word == "resolve" ? HOST_RESOLVE
                       : word == "push"    ? HOST_PUSH
                                           : 0;

        if (one == 0)
            refuse(node, key + ": " + shown(word) + " is none of pull, resolve, push");
        all |= one;
    }
    return all != 0 ? all : static_cast<unsigned>(HOST_ALL);
}

/* ---- addresses ------------------------------------------------------------------------ */

struct address {
    bool plain = false;
    std::string name; /* host[:port] */
    std::string path; /* "" or /a/b */
};

bool is_name(const std::string &text)
{
    for (char c : text)
        if (!std::isalnum(static_cast<unsigned char>(c)) && std::strchr(".-_:[]", c) == nullptr)
            return false;
    return !text.empty() && text.size() < 256 && text.back() != ':' && text.front() != ':';
}

/* /a//b/ -> /a/b; false where it leads elsewhere or fits no address. */
bool clean_path(const std::string &text, std::string &out)
{
    for (size_t at = 0; at < text.size();) {
        size_t end = std::min(text.find('/', at), text.size());
        std::string part = text.substr(at, end - at);

        if (part == "." || part == "..")
            return false;
        for (char c : part)
            if (!std::isalnum(static_cast<unsigned char>(c)) &&
                std::strchr(".-_~%+@:,", c) == nullptr)
                return false;
        if (!part.empty())
            out += "/" + part;
        at = end + 1;
    }
    return out.size() < 200;
}

address address_of(const std::string &key, const toml::node &node, const std::string &text)
{
    std::string rest = text;
    address out;
    size_t slash;

    if (rest.compare(0, 7, "http://") == 0)
        out.plain = true, rest.erase(0, 7);
    else if (rest.compare(0, 8, "https://") == 0)
        rest.erase(0, 8);
    slash = std::min(rest.find('/'), rest.size());
    out.name = rest.substr(0, slash);
    for (auto &c : out.name)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (!is_name(out.name) || !clean_path(rest.substr(slash), out.path))
        refuse(node,
               key + ": " + shown(text) + " is no address such as https://HOST[:PORT][/PATH]");
    /* the port that is meant anyhow: one host, one name */
    if (!out.plain && out.name.size() > 4 && out.name.compare(out.name.size() - 4, 4, ":443") == 0)
        out.name.resize(out.name.size() - 4);
    return out;
}

std::string proxy_of(const std::string &key, const toml::node &node)
{
    const std::string &text = text_of(key, node);

    for (const char *scheme : { "http://", "https://", "socks5://", "socks5h://" })
        if (text.compare(0, std::strlen(scheme), scheme) == 0 &&
            text.size() > std::strlen(scheme) && text.find_first_of(" ?#\"") == std::string::npos)
            return text;
    refuse(node, key + ": expected http://, https://, socks5:// or socks5h:// and a host");
}

/* ---- one host --------------------------------------------------------------------------- */

struct reading {
    std::string path, folder;
    struct arena *arena;
    mutable std::vector<std::string> warnings;

    std::string place(unsigned line) const
    {
        return path + ":" + std::to_string(line);
    }

    const char *keep(const std::string &text) const
    {
        return arena_str(arena, text.c_str());
    }

    struct strs keep_all(const std::vector<std::string> &texts) const
    {
        struct strs out = { texts.size(), static_cast<const char **>(arena_alloc(
                                              arena, (texts.size() + 1) * sizeof(char *))) };

        for (size_t i = 0; i < texts.size(); i++)
            out.items[i] = keep(texts[i]);
        return out;
    }

    std::string file_of(const std::string &key, const toml::node &node,
                        const std::string &name) const
    {
        std::string full = name.empty() || name[0] == '/' ? name : folder + "/" + name;

        if (name.empty() || full.size() > 4000)
            refuse(node, key + ": expected the path of a file");
        if (FILE *file = std::fopen(full.c_str(), "re"))
            std::fclose(file);
        else
            refuse(node, key + ": " + full + ": " + std::strerror(errno));
        return full;
    }

    void take_ca(const toml::node &node, struct host &host) const
    {
        std::vector<std::string> files;

        for (const auto &name : texts_of("ca", node))
            files.push_back(file_of("ca", node, name));
        host.ca_files = keep_all(files);
    }

    void take_client(const toml::node &node, struct host &host) const
    {
        std::vector<std::string> certs, keys;
        const auto *array = node.as_array();

        if (array == nullptr || (array->size() > 0 && array->get(0)->is_string())) {
            for (const auto &name : texts_of("client", node))
                certs.push_back(file_of("client", node, name)), keys.emplace_back();
        } else {
            for (const auto &item : *array) {
                auto pair = texts_of("client", item);

                if (!item.is_array() || pair.size() != 2)
                    refuse(item, "client: expected pairs [\"CERTIFICATE\", \"KEY\"]");
                certs.push_back(file_of("client", item, pair[0]));
                keys.push_back(pair[1].empty() ? "" : file_of("client", item, pair[1]));
            }
        }
        host.client_certs = keep_all(certs);
        host.client_keys = keep_all(keys);
    }

    void take_headers(const toml::node &node, struct host &host) const
    {
        const auto *table = node.as_table();
        std::vector<std::string> lines;

        if (table == nullptr)
            refuse(node, "header: expected a table of names and values");
        for (auto &&[key, value] : *table) {
            std::string name(key.str());

            for (char c : name)
                if (!std::isalnum(static_cast<unsigned char>(c)) &&
                    std::strchr("-_.!#$%&'*+^`|~", c) == nullptr)
                    refuse(value, "header: " + shown(name) + " is no name of a header");
            for (const auto &text : texts_of("header." + name, value)) {
                for (char c : text) /* the value is not told: it may be secret */
                    if (static_cast<unsigned char>(c) < 0x20 ||
                        static_cast<unsigned char>(c) > 0x7e)
                        refuse(value, "header." + name + ": expected printable ASCII");
                lines.push_back(name + ": " + text);
            }
        }
        host.headers = keep_all(lines);
    }

    /* false: there is no such key */
    bool take_value(const std::string &key, const toml::node &node, struct host &host) const
    {
        if (key == "capabilities")
            host.capabilities = capabilities_of(key, node);
        else if (key == "ca")
            take_ca(node, host);
        else if (key == "client")
            take_client(node, host);
        else if (key == "skip_verify")
            host.skip_verify = flag_of(key, node);
        else if (key == "header")
            take_headers(node, host);
        else if (key == "dial_timeout")
            host.connect_ms = duration_of(key, node);
        else if (key == "proxy")
            host.proxy = keep(proxy_of(key, node));
        else
            return false;
        return true;
    }

    /* `address` NULL: the file does not say who. */
    struct host host_of(const toml::table &table, const address *address, unsigned line,
                        bool root) const
    {
        bool whole_path = false;
        struct host host = {};

        host.capabilities = HOST_ALL;
        for (auto &&[key, node] : table) {
            std::string name(key.str());

            if (root && (name == "server" || name == "host"))
                continue;
            if (name == "override_path")
                whole_path = flag_of(name, node);
            else if (!take_value(name, node, host))
                warnings.push_back(place(line_of(node)) + ": there is no " + shown(name) +
                                   " in hosts.toml: it is ignored");
        }
        std::string api = address != nullptr ? address->path : "";
        if (!whole_path && (api.size() < 3 || api.compare(api.size() - 3, 3, "/v2") != 0))
            api += "/v2";
        host.name = address != nullptr ? keep(address->name) : nullptr;
        host.plain_http = address != nullptr && address->plain;
        host.path = keep(api);
        host.origin = keep(place(line));
        return host;
    }

    void take_hosts(const toml::node &node, std::vector<struct host> &out) const
    {
        const auto *hosts = node.as_table();
        std::vector<std::pair<unsigned, struct host>> found;

        if (hosts == nullptr)
            refuse(node, "host: expected tables [host.\"https://...\"]");
        for (auto &&[key, one] : *hosts) {
            std::string text(key.str());

            if (!one.is_table())
                refuse(one, "host." + shown(text) + ": expected a table");
            address where = address_of("host", one, text);
            found.emplace_back(line_of(one), host_of(*one.as_table(), &where, line_of(one), false));
        }
        /* the library sorts by name; the file's order counts */
        std::stable_sort(found.begin(), found.end(),
                         [](const auto &a, const auto &b) { return a.first < b.first; });
        if (found.size() >= HOSTS_COUNT_MAX)
            refuse(node, "more than " + std::to_string(HOSTS_COUNT_MAX - 1) + " hosts");
        for (const auto &entry : found)
            out.push_back(entry.second);
    }

    std::vector<struct host> all(const toml::table &root) const
    {
        const auto *server = root.get("server"), *hosts = root.get("host");
        std::vector<struct host> out;
        address where;
        bool named = server != nullptr && !text_of("server", *server).empty();

        if (hosts != nullptr)
            take_hosts(*hosts, out);
        if (named)
            where = address_of("server", *server, text_of("server", *server));
        out.push_back(host_of(root, named ? &where : nullptr, named ? line_of(*server) : 1, true));
        return out;
    }
};

} // namespace

extern "C" int hosts_file_parse(const char *path, const char *text, size_t size,
                                struct arena *arena, struct host_list *out, struct error *err)
{
    try {
        reading reading = { path, path, arena, {} };

        reading.folder.resize(reading.folder.find_last_of('/'));
        auto hosts = reading.all(toml::parse(std::string_view(text, size), std::string(path)));
        out->count = hosts.size();
        out->items = static_cast<struct host *>(
            arena_copy(arena, hosts.data(), hosts.size() * sizeof(hosts[0])));
        out->warnings = reading.keep_all(reading.warnings);
        return 0;
    } catch (const toml::parse_error &problem) {
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s:%u: %.200s", path,
                         static_cast<unsigned>(problem.source().begin.line),
                         std::string(problem.description()).c_str());
    } catch (const wrong &wrong) {
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s:%u: %.250s", path, wrong.line,
                         wrong.what.c_str());
    } catch (const std::logic_error &problem) {
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s: %s", path, problem.what());
    } catch (const std::exception &problem) {
        return error_set(err, ERROR_INTERNAL, "%s: %s", path, problem.what());
    }
}
