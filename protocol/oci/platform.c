/* Platforms: two small tables of spellings, and preference lists made on the fly. */
#include "protocol/oci/platform.h"

#include <stdio.h>
#include <string.h>

#include "protocol/oci/shown.h"
#include "protocol/oci/windows_version.h"

/* ---- normalising ------------------------------------------------------------- */

/* Lower-case; what does not fit cannot be real and becomes a word that matches nothing. */
static void put(char *out, size_t room, const char *part)
{
    size_t size = part == NULL ? 0 : strlen(part);

    memset(out, 0, room);
    if (size >= room) {
        memcpy(out, "unknown", sizeof("unknown"));
        return;
    }
    for (size_t i = 0; i < size; i++)
        out[i] = part[i] >= 'A' && part[i] <= 'Z' ? (char)(part[i] - 'A' + 'a') : part[i];
}

static void replace(char *out, size_t room, const char *by)
{
    memset(out, 0, room);
    strcpy(out, by);
}

static const struct spelling {
    const char *found, *arch, *variant; /* variant NULL: stays */
} spellings[] = {
    { "x86_64", "amd64", NULL },  { "x86-64", "amd64", NULL }, { "i386", "386", "" },
    { "aarch64", "arm64", NULL }, { "armhf", "arm", "v7" },    { "armel", "arm", "v6" },
};

static void normalise_arch(struct platform *p)
{
    for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++) {
        if (strcmp(p->arch, spellings[i].found) != 0)
            continue;
        replace(p->arch, sizeof(p->arch), spellings[i].arch);
        if (spellings[i].variant != NULL)
            replace(p->variant, sizeof(p->variant), spellings[i].variant);
        return;
    }
}

/* "8" and "8.2" are written v8 and v8.2 */
static void put_v_before(struct platform *p)
{
    char number[sizeof(p->variant)];

    if (p->variant[0] < '0' || p->variant[0] > '9' || strlen(p->variant) + 2 > sizeof(p->variant))
        return;
    memcpy(number, p->variant, sizeof(number));
    snprintf(p->variant, sizeof(p->variant), "v%.30s", number);
}

static bool variant_is(const struct platform *p, const char *variant)
{
    return strcmp(p->variant, variant) == 0;
}

static void normalise_variant(struct platform *p)
{
    bool is_arm64 = strcmp(p->arch, "arm64") == 0, is_arm = strcmp(p->arch, "arm") == 0;

    if (is_arm64 || is_arm)
        put_v_before(p);
    if (strcmp(p->arch, "amd64") == 0 && variant_is(p, "v1"))
        replace(p->variant, sizeof(p->variant), "");
    if (is_arm64 && (variant_is(p, "v8") || variant_is(p, "v8.0")))
        replace(p->variant, sizeof(p->variant), "");
    if (is_arm64 && variant_is(p, "v9.0"))
        replace(p->variant, sizeof(p->variant), "v9");
    if (is_arm && variant_is(p, ""))
        replace(p->variant, sizeof(p->variant), "v7");
}

struct platform platform_of(const char *os, const char *arch, const char *variant,
                            const char *os_version)
{
    struct platform p = { 0 };

    put(p.os, sizeof(p.os), os);
    put(p.arch, sizeof(p.arch), arch);
    put(p.variant, sizeof(p.variant), variant);
    put(p.os_version, sizeof(p.os_version), os_version);
    if (strcmp(p.os, "macos") == 0)
        replace(p.os, sizeof(p.os), "darwin");
    normalise_arch(&p);
    normalise_variant(&p);
    return p;
}

void platform_add_feature(struct platform *p, const char *feature)
{
    size_t used = strlen(p->os_features);

    if (*feature == '\0' || strchr(feature, '+') != NULL ||
        used + 1 + strlen(feature) >= sizeof(p->os_features)) {
        put(p->os, sizeof(p->os), "unknown");
        return;
    }
    p->os_features[used] = '+';
    put(p->os_features + used + 1, sizeof(p->os_features) - used - 1, feature);
}

/* ---- as text ------------------------------------------------------------------ */

static int bad(struct error *err, const char *text)
{
    struct shown s;

    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "platform '%s': not of the form os[(osversion)]/arch[/variant], "
                     "for example linux/arm64 or linux/arm/v7",
                     shown(text, &s));
}

/* [A-Za-z0-9_.-]+, not longer than `room` allows */
static bool take(const char **at, char *out, size_t room)
{
    size_t size = strspn(*at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

    if (size == 0 || size >= room)
        return false;
    memcpy(out, *at, size);
    out[size] = '\0';
    *at += size;
    return true;
}

/* (+FEATURE)* */
static bool take_features(const char **at, struct platform *p)
{
    char feature[sizeof(p->os_features)];

    while (**at == '+') {
        ++*at;
        if (!take(at, feature, sizeof(feature)) ||
            strlen(p->os_features) + 1 + strlen(feature) >= sizeof(p->os_features))
            return false;
        platform_add_feature(p, feature);
    }
    return true;
}

int platform_parse(const char *text, struct platform *out, struct error *err)
{
    struct platform found = { 0 };
    const char *at = text, *features = "";

    if (!take(&at, found.os, sizeof(found.os)))
        return bad(err, text);
    if (*at == '(') {
        if (*++at != '+' && !take(&at, found.os_version, sizeof(found.os_version)))
            return bad(err, text);
        features = at;
        if (!take_features(&at, &(struct platform){ 0 }) || *at++ != ')')
            return bad(err, text);
    }
    if (*at++ != '/' || !take(&at, found.arch, sizeof(found.arch)))
        return bad(err, text);
    if (*at == '/') {
        at++;
        if (!take(&at, found.variant, sizeof(found.variant)))
            return bad(err, text);
    }
    if (*at != '\0')
        return bad(err, text);
    *out = platform_of(found.os, found.arch, found.variant, found.os_version);
    take_features(&features, out);
    return 0;
}

const char *platform_text(const struct platform *p, char out[PLATFORM_TEXT_SIZE])
{
    bool versioned = p->os_version[0] != '\0' || p->os_features[0] != '\0';
    bool variant = p->variant[0] != '\0';

    snprintf(out, PLATFORM_TEXT_SIZE, "%s%s%s%s%s/%s%s%s", p->os[0] ? p->os : "unknown",
             versioned ? "(" : "", p->os_version, p->os_features, versioned ? ")" : "",
             p->arch[0] ? p->arch : "unknown", variant ? "/" : "", p->variant);
    return out;
}

static bool says_nothing(const char *part)
{
    return part[0] == '\0' || strcmp(part, "unknown") == 0;
}

bool platform_is_unknown(const struct platform *p)
{
    return says_nothing(p->os) && says_nothing(p->arch);
}

/* ---- preference ----------------------------------------------------------------- */

/* A position in a preference list; it walks until the candidate is found. */
struct search {
    const struct platform *candidate;
    int position;
    bool found;
};

static void offer(struct search *search, const char *arch, const char *variant)
{
    if (search->found)
        return;
    if (strcmp(search->candidate->arch, arch) == 0 &&
        strcmp(search->candidate->variant, variant) == 0)
        search->found = true;
    else
        search->position++;
}

/* vN.minor as an arm64 variant is written: .0 is left out, and v8 is nothing at all */
static void offer_arm64(struct search *search, int major, int minor)
{
    char variant[16] = "";

    if (minor > 0)
        snprintf(variant, sizeof(variant), "v%d.%d", major, minor);
    else if (major != 8)
        snprintf(variant, sizeof(variant), "v%d", major);
    offer(search, "arm64", variant);
}

static void offer_arm(struct search *search, int version)
{
    char variant[16];

    for (; version >= 5; version--) {
        snprintf(variant, sizeof(variant), "v%d", version);
        offer(search, "arm", variant);
    }
}

/* "v8.2": 8 and 2.  False for what is no version. */
static bool version_of(const char *variant, int *major, int *minor)
{
    int used = 0, all = (int)strlen(variant);

    *minor = 0;
    if (sscanf(variant, "v%2d%n", major, &used) == 1 && used == all && *major >= 0)
        return true;
    return sscanf(variant, "v%2d.%2d%n", major, minor, &used) == 2 && used == all && *major >= 0 &&
           *minor >= 0;
}

static void search_amd64(struct search *search, const char *variant)
{
    int major = 1, minor = 0;
    char text[16];

    if (*variant != '\0' && (!version_of(variant, &major, &minor) || minor != 0))
        return;
    for (; major >= 2; major--) {
        snprintf(text, sizeof(text), "v%d", major);
        offer(search, "amd64", text);
    }
    offer(search, "amd64", "");
    offer(search, "386", "");
}

static void search_arm64(struct search *search, const char *variant)
{
    int major = 8, minor = 0;

    if (*variant != '\0' && (!version_of(variant, &major, &minor) || major < 8 || major > 9))
        return;
    if (major == 9) {
        for (int x = minor; x >= 0; x--)
            offer_arm64(search, 9, x);
        minor += 5; /* every v9.x is a v8.(x+5) too */
    }
    for (int x = minor; x >= 0; x--)
        offer_arm64(search, 8, x);
    offer_arm(search, 8);
}

static void search_arm(struct search *search, const char *variant)
{
    int major, minor;

    if (version_of(variant, &major, &minor) && minor == 0)
        offer_arm(search, major);
}

static bool has_feature(const struct platform *p, const char *feature, size_t size)
{
    for (const char *at = p->os_features; *at == '+'; at += 1 + strcspn(at + 1, "+"))
        if (strcspn(at + 1, "+") == size && memcmp(at + 1, feature, size) == 0)
            return true;
    return false;
}

static bool has_features(const struct platform *p, const char *features)
{
    for (; *features == '+'; features += 1 + strcspn(features + 1, "+"))
        if (!has_feature(p, features + 1, strcspn(features + 1, "+")))
            return false;
    return true;
}

static bool is_windows(const struct platform *p)
{
    return strcmp(p->os, "windows") == 0;
}

static bool system_fits(const struct platform *wanted, const struct platform *candidate)
{
    const char *version = wanted->os_version;

    if (strcmp(wanted->os, candidate->os) != 0 || !has_features(wanted, candidate->os_features))
        return false;
    if (*version == '\0')
        return true;
    return is_windows(wanted) ? windows_version_fits(version, candidate->os_version)
                              : strcmp(version, candidate->os_version) == 0;
}

bool platform_is_newer(const struct platform *candidate, const struct platform *than)
{
    return is_windows(candidate) && is_windows(than) &&
           windows_version_is_newer(candidate->os_version, than->os_version);
}

int platform_rank(const struct platform *wanted, const struct platform *candidate)
{
    struct search search = { .candidate = candidate };

    if (says_nothing(candidate->os) || says_nothing(candidate->arch) ||
        !system_fits(wanted, candidate))
        return -1;
    if (strcmp(wanted->arch, candidate->arch) == 0 &&
        strcmp(wanted->variant, candidate->variant) == 0)
        return 0;
    if (strcmp(wanted->arch, "amd64") == 0)
        search_amd64(&search, wanted->variant);
    else if (strcmp(wanted->arch, "arm64") == 0)
        search_arm64(&search, wanted->variant);
    else if (strcmp(wanted->arch, "arm") == 0)
        search_arm(&search, wanted->variant);
    return search.found ? search.position : -1;
}
