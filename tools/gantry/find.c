/* Finding what was meant in the table: commands, and the nearest word to a wrong one. */
#include <stdio.h>
#include <string.h>

#include "tools/gantry/command.h"

#define WORD_MAX 32

/* Insertions, deletions, exchanges between two short words. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[WORD_MAX + 1];
    size_t length_a = strlen(a), length_b = strlen(b);

    if (length_a > WORD_MAX || length_b > WORD_MAX)
        return WORD_MAX;
    for (unsigned j = 0; j <= length_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        unsigned corner = row[0], above;

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= length_b; j++) {
            above = row[j];
            row[j] = corner + (a[i - 1] != b[j - 1]);
            if (above + 1 < row[j])
                row[j] = above + 1;
            if (row[j - 1] + 1 < row[j])
                row[j] = row[j - 1] + 1;
            corner = above;
        }
    }
    return row[length_b];
}

const char *nearest(const char *word, const char *(*next)(void *ctx), void *ctx)
{
    unsigned best = (unsigned)strlen(word) / 3 + 1;
    const char *found = NULL, *candidate;

    while ((candidate = next(ctx)) != NULL) {
        unsigned far = distance(word, candidate);

        if (far < best || (far == best && found == NULL)) {
            best = far;
            found = candidate;
        }
    }
    return found;
}

static const char *next_command(void *ctx)
{
    const struct command **at = ctx;

    while ((*at)->name != NULL && (*at)->hidden)
        (*at)++;
    return (*at)->name != NULL ? (*at)++->name : NULL;
}

static int unknown_command(const char *word, struct error *err)
{
    const struct command *at = commands;
    const char *similar = nearest(word, next_command, &at);

    error_set(err, ERROR_INVALID_ARGUMENT, "there is no command '%.40s'", word);
    if (similar != NULL)
        return error_hint(err, "did you mean gantry %s?", similar);
    return error_hint(err, "see gantry help");
}

/* "namespace" alone, or with a word that none of its commands has. */
static int incomplete_command(const char *group, const char *word, struct error *err)
{
    char known[200] = "";
    size_t length = strlen(group);

    for (const struct command *at = commands; at->name != NULL; at++)
        if (strncmp(at->name, group, length) == 0 && at->name[length] == ' ')
            snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
                     known[0] ? ", " : "", at->name + length + 1);
    if (known[0] == '\0')
        return unknown_command(group, err);
    if (word == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s needs one of %s", group, known);
    return error_set(err, ERROR_INVALID_ARGUMENT, "%s has no '%.40s'; it has %s", group, word,
                     known);
}

const struct command *command_find(int *argc, char ***argv, struct error *err)
{
    const char *first = (*argv)[0], *second = *argc > 1 ? (*argv)[1] : NULL;

    for (const struct command *at = commands; at->name != NULL; at++) {
        size_t length = strcspn(at->name, " ");
        bool two = at->name[length] == ' ';

        if (strlen(first) != length || strncmp(at->name, first, length) != 0 ||
            (two && (second == NULL || strcmp(at->name + length + 1, second) != 0)))
            continue;
        *argc -= two ? 2 : 1;
        *argv += two ? 2 : 1;
        return at;
    }
    incomplete_command(first, second, err);
    return NULL;
}
