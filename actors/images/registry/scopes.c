/* scopes — words are pointed at, sorted, and written once more. */
#include "actors/images/registry/scopes.h"

#include <stdlib.h>
#include <string.h>

struct word {
    const char *text;
    size_t size;
};

const char *scopes_next(const char **at, size_t *size)
{
    const char *word = *at + strspn(*at, " \t");

    *size = strcspn(word, " \t");
    *at = word + *size;
    return *size > 0 ? word : NULL;
}

static int compare(const void *left, const void *right)
{
    const struct word *a = left, *b = right;
    size_t both = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->text, b->text, both);

    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

bool scopes_sort(const char *text, char out[SCOPES_SIZE])
{
    struct word words[SCOPES_MAX], *last = NULL;
    size_t count = 0, used = 0, size;
    const char *word;

    while ((word = scopes_next(&text, &size)) != NULL) {
        if (count == SCOPES_MAX)
            return false;
        words[count++] = (struct word){ word, size };
    }
    qsort(words, count, sizeof(*words), compare);
    for (size_t i = 0; i < count; i++) {
        if (last != NULL && compare(last, &words[i]) == 0)
            continue;
        last = &words[i];
        if (used + last->size + 2 > SCOPES_SIZE)
            return false;
        if (used > 0)
            out[used++] = ' ';
        memcpy(out + used, last->text, last->size);
        used += last->size;
    }
    out[used] = '\0';
    return true;
}
