/*
 * challenge — a reader of one word at a time.  The one ambiguity of the grammar is decided by
 * looking one word ahead: a word with a = behind it is a parameter, any other begins a new
 * challenge.
 */
#include "actors/images/registry/challenge.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* tchar of RFC 9110 */
static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static const char *skip_spaces(const char *at)
{
    while (is_space(*at))
        at++;
    return at;
}

static const char *skip_token(const char *at)
{
    while (is_token(*at))
        at++;
    return at;
}

static bool is_end(char c)
{
    return c == '\0' || c == '\n';
}

/* Behind the bare credentials that may follow a scheme ("Negotiate YII=="), else NULL. */
static const char *skip_token68(const char *at)
{
    const char *start = at;

    while (is_token(*at) || *at == '/')
        at++;
    if (at == start)
        return NULL;
    while (*at == '=')
        at++;
    at = skip_spaces(at);
    return *at == ',' || is_end(*at) ? at : NULL;
}

/* Where a parameter's value goes; NULL for the ones nobody reads. */
static char *slot(struct challenge *challenge, const char *name, size_t size, size_t *room)
{
    static const struct {
        const char *name;
        size_t offset, room;
    } slots[] = {
        { "realm", offsetof(struct challenge, realm), sizeof(challenge->realm) },
        { "service", offsetof(struct challenge, service), sizeof(challenge->service) },
        { "scope", offsetof(struct challenge, scope), sizeof(challenge->scope) },
        { "error", offsetof(struct challenge, error), sizeof(challenge->error) },
    };

    for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
        size_t k = 0;

        while (k < size && (name[k] | 0x20) == slots[i].name[k])
            k++;
        if (k == size && slots[i].name[k] == '\0') {
            *room = slots[i].room;
            return (char *)challenge + slots[i].offset;
        }
    }
    return NULL;
}

/* A quoted string or a bare word into `out` (NULL: nowhere).  NULL when a quote stays open. */
static const char *read_value(const char *at, char *out, size_t room, bool *fits)
{
    bool quoted = *at == '"';
    size_t used = 0;

    *fits = true;
    if (quoted)
        at++;
    while (!is_end(*at) && (quoted ? *at != '"' : *at != ',' && !is_space(*at))) {
        if (quoted && *at == '\\' && !is_end(at[1]))
            at++;
        if (out != NULL && used + 1 < room)
            out[used++] = *at;
        else if (out != NULL)
            *fits = false;
        at++;
    }
    if (out != NULL)
        out[used] = '\0';
    if (!quoted)
        return at;
    return *at == '"' ? at + 1 : NULL;
}

static const char *read_parameter(const char *at, struct challenge *challenge)
{
    const char *name = at, *end = skip_token(at);
    size_t room = 0;
    char *out = slot(challenge, name, (size_t)(end - name), &room);
    bool fits;

    at = skip_spaces(skip_spaces(end) + 1);
    at = read_value(at, out, room, &fits);
    if (at == NULL || !fits)
        challenge->unusable = true;
    return at;
}

static const char *read_scheme(const char *at, struct challenge *challenge)
{
    const char *end = skip_token(at), *bare;
    size_t size = (size_t)(end - at);

    challenge->unusable = size >= sizeof(challenge->scheme);
    for (size_t i = 0; i < size && !challenge->unusable; i++)
        challenge->scheme[i] = (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] | 0x20 : at[i]);
    if (!is_space(*end))
        return end;
    end = skip_spaces(end);
    bare = skip_token68(end);
    return bare != NULL ? bare : end;
}

/* A word with a = behind it belongs to the challenge before; any other begins a new one. */
static const char *read_word(const char *at, struct challenges *challenges)
{
    bool is_parameter = *skip_spaces(skip_token(at)) == '=';

    if (is_parameter && challenges->count > 0)
        return read_parameter(at, &challenges->items[challenges->count - 1]);
    if (is_parameter || challenges->count == CHALLENGES_MAX)
        return NULL;
    return read_scheme(at, &challenges->items[challenges->count++]);
}

static void parse_line(struct challenges *challenges, const char *at)
{
    while (at != NULL && !is_end(*at)) {
        if (is_space(*at) || *at == ',')
            at++;
        else if (is_token(*at))
            at = read_word(at, challenges);
        else
            return;
    }
}

void challenges_parse(struct challenges *challenges, const char *text)
{
    memset(challenges, 0, sizeof(*challenges));
    while (text != NULL && *text != '\0') {
        parse_line(challenges, text);
        text = strchr(text, '\n');
        if (text != NULL)
            text++;
    }
}

const struct challenge *challenges_find(const struct challenges *challenges, const char *scheme)
{
    for (size_t i = 0; i < challenges->count; i++)
        if (!challenges->items[i].unusable && strcmp(challenges->items[i].scheme, scheme) == 0)
            return &challenges->items[i];
    return NULL;
}
