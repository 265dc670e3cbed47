/* See config_values.hpp. */
#include "actors/supervisor/config_values.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

const std::vector<setting> settings = {
#define SETTING(kind, member, key, fallback, least, most, doc) { kind, key, fallback, least, most },
#include "actors/supervisor/config.def"
#undef SETTING
};

const setting *setting_find(const std::string &key)
{
    for (const auto &entry : settings)
        if (key == entry.key)
            return &entry;
    return nullptr;
}

/* ---- written numbers and times ------------------------------------------------------------ */

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

namespace
{

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

/* ---- what is expected ---------------------------------------------------------------------- */

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

} // namespace

bool setting_accept(const setting &entry, std::vector<std::string> &items)
{
    if (entry.what != LIST && items.size() != 1)
        return false;
    if (std::strcmp(entry.key, "listen") == 0 && items.empty())
        return false;
    for (auto &item : items)
        if (!accept_one(entry, item))
            return false;
    return true;
}

std::string setting_refusal(const setting &entry, const std::vector<std::string> &items)
{
    std::string text = entry.key, found = items.size() == 1 ? items[0].substr(0, 60) : "";

    for (auto &c : found)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            c = '?';
    if (items.size() == 1)
        text += " is '" + found + "',";
    return text + " expected " + expected(entry);
}
