/* Sizes, times and ids as text; see text.h. */
#include "tools/gantry/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/json.h"

#define SECOND 1000000000ll
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* ---- numbers ------------------------------------------------------------ */

/* Digits with at most one point; NULL when there are none. */
static const char *number_parse(const char *text, double *value)
{
    double unit = 1;
    const char *at = text;

    *value = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        *value = *value * 10 + (*at - '0');
    if (*at == '.' && at > text && at[1] >= '0' && at[1] <= '9')
        for (at++; *at >= '0' && *at <= '9'; at++)
            *value += (*at - '0') * (unit /= 10);
    return at > text ? at : NULL;
}

static int unit_of(const char *unit, double *factor)
{
    static const char letters[] = "bkmgtp";
    const char *found;
    char first = *unit;

    *factor = 1;
    if (first == '\0')
        return 0;
    if (first >= 'A' && first <= 'Z')
        first = (char)(first - 'A' + 'a');
    found = strchr(letters, first);
    if (found == NULL)
        return -1;
    for (const char *at = letters; at < found; at++)
        *factor *= 1024;
    unit++;
    if (found > letters && (*unit == 'i' || *unit == 'I') && unit[1] != '\0')
        unit++;
    if (found > letters && (*unit == 'b' || *unit == 'B'))
        unit++;
    return *unit == '\0' ? 0 : -1;
}

int size_parse(const char *text, uint64_t *size)
{
    double value, factor;
    const char *unit = number_parse(text, &value);

    if (unit == NULL || unit_of(unit, &factor) < 0 || value * factor >= 9e18)
        return -1;
    *size = (uint64_t)(value * factor);
    return 0;
}

const char *size_text(uint64_t size, char out[16])
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    double value = (double)size;
    size_t unit = 0;

    for (; value >= 999.5 && unit < 6; unit++)
        value /= 1000;
    if (unit == 0)
        snprintf(out, 16, "%u B", (unsigned)size);
    else
        snprintf(out, 16, "%.*f %s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, units[unit]);
    return out;
}

/* ---- times -------------------------------------------------------------- */

static const char *duration_unit(const char *at, double *factor)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = { { "ms", 1e6 }, { "us", 1e3 },   { "ns", 1 },     { "s", 1e9 },
                  { "m", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 } };

    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        size_t length = strlen(units[i].name);

        if (strncmp(at, units[i].name, length) == 0) {
            *factor = units[i].ns;
            return at + length;
        }
    }
    return NULL;
}

int duration_parse(const char *text, int64_t *ns)
{
    double total = 0;

    if (*text == '\0')
        return -1;
    while (*text != '\0') {
        double value, factor;

        text = number_parse(text, &value);
        if (text == NULL)
            return -1;
        text = duration_unit(text, &factor);
        if (text == NULL)
            return -1;
        total += value * factor;
    }
    if (total > 9e18)
        return -1;
    *ns = (int64_t)total;
    return 0;
}

static const char *count_text(int64_t count, const char *unit, char out[32])
{
    snprintf(out, 32, "%lld %s%s", (long long)count, unit, count == 1 ? "" : "s");
    return out;
}

const char *duration_text(int64_t ns, char out[32])
{
    if (ns < SECOND)
        return "Less than a second";
    if (ns < MINUTE)
        return count_text(ns / SECOND, "second", out);
    if (ns < 2 * MINUTE)
        return "About a minute";
    if (ns < HOUR)
        return count_text(ns / MINUTE, "minute", out);
    if (ns < 2 * HOUR)
        return "About an hour";
    if (ns < 2 * DAY)
        return count_text(ns / HOUR, "hour", out);
    if (ns < 14 * DAY)
        return count_text(ns / DAY, "day", out);
    if (ns < 60 * DAY)
        return count_text(ns / (7 * DAY), "week", out);
    if (ns < 2 * 365 * DAY)
        return count_text(ns / (30 * DAY), "month", out);
    return count_text(ns / (365 * DAY), "year", out);
}

int moment_parse(const char *text, int64_t now, int64_t *ns)
{
    int64_t before;

    if (duration_parse(text, &before) == 0) {
        *ns = now - before;
        return 0;
    }
    return time_parse(text, ns);
}

const char *ago_text(int64_t then, int64_t now, char out[40])
{
    char duration[32];

    out[0] = '\0';
    if (then != 0)
        snprintf(out, 40, "%s ago", duration_text(now - then, duration));
    return out;
}

/* ---- names -------------------------------------------------------------- */

const char *id_short(const char *id, struct arena *arena)
{
    const char *colon;

    if (id == NULL)
        return "";
    colon = strchr(id, ':');
    if (colon != NULL)
        id = colon + 1;
    return arena_printf(arena, "%.12s", id);
}

const char *reference_short(const char *reference)
{
    if (strncmp(reference, "docker.io/library/", 18) == 0)
        return reference + 18;
    if (strncmp(reference, "docker.io/", 10) == 0)
        return reference + 10;
    return reference;
}

struct reference_parts reference_split(const char *reference, struct arena *arena)
{
    struct reference_parts parts = { .tag = "", .digest = "" };
    char *text = arena_str(arena, reference_short(reference));
    char *at = strchr(text, '@'), *slash, *colon;

    if (at != NULL) {
        *at = '\0';
        parts.digest = at + 1;
    }
    slash = strrchr(text, '/');
    colon = strrchr(slash ? slash : text, ':');
    if (colon != NULL) {
        *colon = '\0';
        parts.tag = colon + 1;
    }
    parts.repository = text;
    return parts;
}
