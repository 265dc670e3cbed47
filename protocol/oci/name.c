/* Names: grammars walked by hand, each refusal says what would have been right. */
#include "protocol/oci/name.h"

#include <stdio.h>
#include <string.h>

#include "protocol/oci/shown.h"

#define DOCKER_HOST     "docker.io"
#define DOCKER_REGISTRY "registry-1.docker.io"
#define PORT_MAX        65535

/* The C locale's letters, whatever the locale is. */
static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter_or_digit(char c)
{
    return is_lower(c) || is_upper(c) || is_digit(c);
}

/* ---- image references ------------------------------------------------------ */

/* A reference on its way: spans of the text. */
struct span {
    const char *at;
    size_t size;
};

static struct span span_of(const char *from, const char *to)
{
    return (struct span){ from, (size_t)(to - from) };
}

static bool span_has(struct span span, char c)
{
    return memchr(span.at, c, span.size) != NULL;
}

static bool span_is(struct span span, const char *word)
{
    return strlen(word) == span.size && memcmp(span.at, word, span.size) == 0;
}

static bool has_upper(struct span span)
{
    for (size_t i = 0; i < span.size; i++)
        if (is_upper(span.at[i]))
            return true;
    return false;
}

static int bad(struct error *err, const char *text, const char *why)
{
    struct shown s;

    return error_set(err, ERROR_INVALID_ARGUMENT, "image reference '%s': %s", shown(text, &s), why);
}

/* 1 to 65535, nothing else behind the colon */
static bool is_port(struct span port)
{
    long value = 0;

    if (port.size == 0 || port.size > 5)
        return false;
    for (size_t i = 0; i < port.size; i++) {
        if (!is_digit(port.at[i]))
            return false;
        value = value * 10 + (port.at[i] - '0');
    }
    return value >= 1 && value <= PORT_MAX;
}

/* labels of letters, digits and inner hyphens, with dots between */
static bool is_domain(struct span domain)
{
    char before = '.';

    for (size_t i = 0; i < domain.size; i++) {
        char c = domain.at[i];

        if (!is_letter_or_digit(c) && c != '-' && c != '.')
            return false;
        if ((c == '.' || c == '-') && before == '.')
            return false;
        if (c == '.' && before == '-')
            return false;
        before = c;
    }
    return before != '.' && before != '-';
}

/* the inside of [...]: hex digits and colons; whether it is an address the resolver says */
static bool is_inet6(struct span address)
{
    for (size_t i = 0; i < address.size; i++)
        if (strchr("0123456789abcdefABCDEF:", address.at[i]) == NULL)
            return false;
    return address.size >= 2 && span_has(address, ':');
}

static bool is_host(struct span host)
{
    const char *end = host.at + host.size, *behind;

    if (host.size > 0 && host.at[0] == '[') {
        behind = memchr(host.at, ']', host.size);
        if (behind == NULL || !is_inet6(span_of(host.at + 1, behind)))
            return false;
        behind++;
    } else {
        behind = memchr(host.at, ':', host.size);
        if (behind == NULL)
            behind = end;
        if (!is_domain(span_of(host.at, behind)))
            return false;
    }
    return behind == end || (*behind == ':' && is_port(span_of(behind + 1, end)));
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* */
static bool is_path_part(struct span part)
{
    size_t i = 0;

    for (;;) {
        size_t word = i, dots;

        while (i < part.size && (is_lower(part.at[i]) || is_digit(part.at[i])))
            i++;
        if (i == word)
            return false;
        if (i == part.size)
            return true;
        for (dots = i;
             i < part.size && part.at[i] == part.at[dots] && strchr("._-", part.at[i]) != NULL; i++)
            ;
        if (i == dots || i - dots > (part.at[dots] == '.' ? 1u : part.at[dots] == '_' ? 2u : 255u))
            return false;
    }
}

static bool is_repository(struct span path)
{
    const char *end = path.at + path.size;

    for (;;) {
        const char *slash = memchr(path.at, '/', (size_t)(end - path.at));

        if (!is_path_part(span_of(path.at, slash == NULL ? end : slash)))
            return false;
        if (slash == NULL)
            return true;
        path.at = slash + 1;
    }
}

static bool is_tag(struct span tag)
{
    if (tag.size == 0 || tag.size > REFERENCE_TAG_MAX || tag.at[0] == '.' || tag.at[0] == '-')
        return false;
    for (size_t i = 0; i < tag.size; i++)
        if (!is_letter_or_digit(tag.at[i]) && strchr("._-", tag.at[i]) == NULL)
            return false;
    return true;
}

/* What stands before the first slash is a host, when it looks like one. */
static bool begins_with_host(struct span first)
{
    return span_has(first, '.') || span_has(first, ':') || span_is(first, "localhost");
}

static bool is_image_id(struct span name)
{
    if (name.size != 64)
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (!is_digit(name.at[i]) && !(name.at[i] >= 'a' && name.at[i] <= 'f'))
            return false;
    return true;
}

static int put_host(const char *text, struct span host, struct reference *out, struct error *err)
{
    if (host.size > REFERENCE_NAME_MAX || !is_host(host))
        return bad(err, text, "the registry before the first slash is not host or host:port");
    for (size_t i = 0; i < host.size; i++)
        out->host[i] = is_upper(host.at[i]) ? (char)(host.at[i] - 'A' + 'a') : host.at[i];
    if (strcmp(out->host, "index.docker.io") == 0) {
        memset(out->host, 0, sizeof(out->host)); /* references compare as bytes */
        strcpy(out->host, DOCKER_HOST);
    }
    return 0;
}

static int put_repository(const char *text, struct span path, struct reference *out,
                          struct error *err)
{
    const char *prefix = "";

    if (strcmp(out->host, DOCKER_HOST) == 0 && !span_has(path, '/'))
        prefix = "library/";
    if (path.size == 0)
        return bad(err, text, "it names no image");
    if (has_upper(path))
        return bad(err, text, "the name must be lower-case");
    if (!is_repository(path))
        return bad(err, text, "parts of the name are a-z and 0-9, with single . _ or - inside");
    if (strlen(out->host) + 1 + strlen(prefix) + path.size > REFERENCE_NAME_MAX)
        return bad(err, text, "the name is longer than 255 characters");
    snprintf(out->repository, sizeof(out->repository), "%s%.*s", prefix, (int)path.size, path.at);
    return 0;
}

/* host and repository */
static int put_name(const char *text, struct span name, struct reference *out, struct error *err)
{
    const char *slash = memchr(name.at, '/', name.size);

    if (is_image_id(name))
        return bad(err, text, "64 hex digits are an image id, not a name");
    if (slash != NULL && begins_with_host(span_of(name.at, slash))) {
        if (put_host(text, span_of(name.at, slash), out, err) < 0)
            return -1;
        name = span_of(slash + 1, name.at + name.size);
    } else {
        strcpy(out->host, DOCKER_HOST);
    }
    return put_repository(text, name, out, err);
}

static int put_tag(const char *text, struct span tag, struct reference *out, struct error *err)
{
    if (!is_tag(tag))
        return bad(err, text, "a tag is 1 to 128 of A-Z a-z 0-9 _ . - and begins with none of . -");
    memcpy(out->tag, tag.at, tag.size);
    return 0;
}

static int put_digest(const char *text, const char *digest, struct reference *out,
                      struct error *err)
{
    struct shown s;

    if (digest_require(digest, err) < 0)
        return error_wrap(err, "image reference '%s'", shown(text, &s));
    strcpy(out->digest, digest);
    return 0;
}

int reference_parse(const char *text, struct reference *out, struct error *err)
{
    const char *end = text + strcspn(text, "@"), *colon = NULL;

    *out = (struct reference){ 0 };
    if (*end == '@' && put_digest(text, end + 1, out, err) < 0)
        return -1;
    for (const char *at = end; at > text && at[-1] != '/'; at--)
        if (at[-1] == ':')
            colon = at - 1;
    if (colon != NULL && put_tag(text, span_of(colon + 1, end), out, err) < 0)
        return -1;
    if (put_name(text, span_of(text, colon == NULL ? end : colon), out, err) < 0)
        return -1;
    if (out->tag[0] == '\0' && out->digest[0] == '\0')
        strcpy(out->tag, "latest");
    return 0;
}

bool reference_names_registry(const char *text)
{
    const char *slash = strchr(text, '/');

    return slash != NULL && begins_with_host(span_of(text, slash));
}

const char *reference_name(const struct reference *reference, char out[REFERENCE_TEXT_SIZE])
{
    snprintf(out, REFERENCE_TEXT_SIZE, "%s/%s", reference->host, reference->repository);
    return out;
}

const char *reference_text(const struct reference *reference, char out[REFERENCE_TEXT_SIZE])
{
    snprintf(out, REFERENCE_TEXT_SIZE, "%s/%s%s%s%s%s", reference->host, reference->repository,
             reference->tag[0] ? ":" : "", reference->tag, reference->digest[0] ? "@" : "",
             reference->digest);
    return out;
}

const char *reference_registry(const struct reference *reference)
{
    return strcmp(reference->host, DOCKER_HOST) == 0 ? DOCKER_REGISTRY : reference->host;
}

const char *reference_object(const struct reference *reference)
{
    return reference->digest[0] ? reference->digest : reference->tag;
}

/* 127.a.b.c in numbers: a host like 127.evil.example is somebody else */
static bool is_loopback4(const char *host, size_t length)
{
    unsigned a, b, c;
    int used = 0;
    char text[16];

    if (length >= sizeof(text) || strspn(host, "0123456789.") < length)
        return false;
    memcpy(text, host, length);
    text[length] = '\0';
    return sscanf(text, "127.%3u.%3u.%3u%n", &a, &b, &c, &used) == 3 && (size_t)used == length &&
           a <= 255 && b <= 255 && c <= 255;
}

bool host_is_loopback(const char *host)
{
    size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

    return (length == 9 && memcmp(host, "localhost", 9) == 0) ||
           (length == 5 && memcmp(host, "[::1]", 5) == 0) || is_loopback4(host, length);
}

/* ---- identifiers, names, labels ---------------------------------------------- */

static bool is_identifier(const char *text)
{
    bool after_word = false;

    for (; *text != '\0'; text++) {
        bool is_word = is_letter_or_digit(*text);

        if (!is_word && (!after_word || strchr("._-", *text) == NULL))
            return false;
        after_word = is_word;
    }
    return after_word;
}

int identifier_check(const char *what, const char *text, struct error *err)
{
    struct shown s;

    if (strlen(text) > IDENTIFIER_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s '%s': longer than %d characters", what,
                         shown(text, &s), IDENTIFIER_MAX);
    if (!is_identifier(text))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "%s '%s': must be letters and digits, with single . _ or - inside", what,
                         shown(text, &s));
    return 0;
}

/* A letter or digit, then those and _ . -; so no path can be made of it. */
static bool is_name(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (!is_letter_or_digit(*at) && (at == text || strchr("_.-", *at) == NULL))
            return false;
    return text[0] != '\0';
}

int container_name_check(const char *text, struct error *err)
{
    size_t length = strlen(text);
    struct shown s;

    if (length > CONTAINER_NAME_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "container name '%s': longer than %d characters", shown(text, &s),
                         CONTAINER_NAME_MAX);
    if (length < 2 || !is_name(text))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "container name '%s': must be two or more of a-z A-Z 0-9 _ . - and begin "
                         "with a letter or digit",
                         shown(text, &s));
    return 0;
}

int volume_name_check(const char *text, struct error *err)
{
    struct shown s;

    if (strlen(text) > VOLUME_NAME_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "volume name '%s': longer than %d characters",
                         shown(text, &s), VOLUME_NAME_MAX);
    if (is_name(text))
        return 0;
    error_set(err, ERROR_INVALID_ARGUMENT,
              "volume name '%s': must be of a-z A-Z 0-9 _ . - and begin with a letter or digit",
              shown(text, &s));
    return error_hint(err, "a folder of the host is meant by its whole path, beginning with /");
}

int label_check(const char *key, const char *value, struct error *err)
{
    struct shown s;

    if (*key == '\0')
        return error_set(err, ERROR_INVALID_ARGUMENT, "a label has no key");
    if (strlen(key) + strlen(value) > LABEL_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "label '%s': key and value are longer than %d bytes together",
                         shown(key, &s), LABEL_MAX);
    return 0;
}

int labels_check(const struct map *labels, struct error *err)
{
    for (size_t i = 0; i < labels->count; i++)
        if (label_check(labels->entries[i].key, labels->entries[i].value, err) < 0)
            return -1;
    return 0;
}
