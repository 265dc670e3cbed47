/* See windows_version.h. */
#include "protocol/oci/windows_version.h"

#include <stddef.h>
#include <string.h>

#define PARTS      4
#define DIGITS_MAX 9

enum part { MAJOR, MINOR, BUILD, REVISION };

struct version {
    unsigned long parts[PARTS]; /* what is left out is 0 */
};

/* Long-term releases that keep what they promise to containers: 2022, 2025. */
static const unsigned long stable[] = { 20348, 26100 };

static bool read_number(const char **at, unsigned long *out)
{
    size_t digits = strspn(*at, "0123456789");

    if (digits == 0 || digits > DIGITS_MAX)
        return false;
    for (*out = 0; digits > 0; digits--, ++*at)
        *out = *out * 10 + (unsigned long)(**at - '0');
    return true;
}

/* At least as far as the build. */
static bool version_of(const char *text, struct version *out)
{
    size_t count = 0;

    *out = (struct version){ { 0 } };
    do {
        if (count == PARTS || !read_number(&text, &out->parts[count++]))
            return false;
    } while (*text++ == '.');
    return count > BUILD && text[-1] == '\0';
}

static unsigned long oldest_for(unsigned long host)
{
    unsigned long oldest = stable[0];

    for (size_t i = 0; i < sizeof(stable) / sizeof(*stable); i++)
        if (stable[i] < host)
            oldest = stable[i];
    return oldest;
}

bool windows_version_fits(const char *host, const char *image)
{
    struct version h, i;

    if (!version_of(host, &h) || !version_of(image, &i))
        return strcmp(host, image) == 0;
    if (h.parts[MAJOR] != i.parts[MAJOR] || h.parts[MINOR] != i.parts[MINOR])
        return false;
    if (h.parts[BUILD] < stable[0])
        return h.parts[BUILD] == i.parts[BUILD];
    return i.parts[BUILD] >= oldest_for(h.parts[BUILD]) && i.parts[BUILD] <= h.parts[BUILD];
}

bool windows_version_is_newer(const char *a, const char *b)
{
    struct version x, y;

    if (!version_of(a, &x) || !version_of(b, &y))
        return false;
    for (size_t i = 0; i < PARTS; i++)
        if (x.parts[i] != y.parts[i])
            return x.parts[i] > y.parts[i];
    return false;
}
