/*
 * Digests: a hand-written grammar, and nettle for the arithmetic: it uses the processor's own
 * instructions as OpenSSL does, and needs no set-up, no heap and a tenth of the pages.
 */
#include "protocol/oci/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/nettle-meta.h>
#include <nettle/sha2.h>

#include "protocol/oci/shown.h"

/* ---- the text -------------------------------------------------------------- */

static const struct algorithm {
    const char *name;
    size_t digits;
    const struct nettle_hash *hash;
} algorithms[] = { { "sha256", 64, &nettle_sha256 }, { "sha512", 128, &nettle_sha512 } };

static const struct algorithm *algorithm_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++)
        if (strlen(algorithms[i].name) == length && memcmp(algorithms[i].name, name, length) == 0)
            return &algorithms[i];
    return NULL;
}

static bool is_hex(const char *text, size_t digits)
{
    return strspn(text, "0123456789abcdef") == digits && text[digits] == '\0';
}

/* component(separator component)*, each of [a-z0-9]+ */
static bool is_algorithm(const char *text, size_t length)
{
    bool after_word = false;

    for (size_t i = 0; i < length; i++) {
        bool is_word = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9');

        if (!is_word && (!after_word || strchr("+._-", text[i]) == NULL))
            return false;
        after_word = is_word;
    }
    return after_word;
}

static bool is_encoded(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789=_-";

    return *text != '\0' && text[strspn(text, letters)] == '\0';
}

int digest_check(const char *text, struct error *err)
{
    const char *colon = strchr(text, ':');
    const struct algorithm *known;
    struct shown s;

    if (strlen(text) > DIGEST_LENGTH_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "digest '%s': longer than %d characters",
                         shown(text, &s), DIGEST_LENGTH_MAX);
    if (colon == NULL || !is_algorithm(text, (size_t)(colon - text)) || !is_encoded(colon + 1))
        return error_set(err, ERROR_INVALID_ARGUMENT, "digest '%s': not of the form algorithm:hex",
                         shown(text, &s));
    known = algorithm_find(text, (size_t)(colon - text));
    if (known != NULL && !is_hex(colon + 1, known->digits))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "digest '%s': %s has %zu digits of 0-9a-f, lower-case", shown(text, &s),
                         known->name, known->digits);
    return 0;
}

bool digest_is_usable(const char *text)
{
    const char *colon = text == NULL ? NULL : strchr(text, ':');
    const struct algorithm *known;

    if (colon == NULL)
        return false;
    known = algorithm_find(text, (size_t)(colon - text));
    return known != NULL && is_hex(colon + 1, known->digits);
}

int digest_require(const char *text, struct error *err)
{
    struct shown s;

    if (digest_check(text, err) < 0)
        return -1;
    if (!digest_is_usable(text))
        return error_set(err, ERROR_UNIMPLEMENTED,
                         "digest '%s': cannot be verified here; sha256 and sha512 can",
                         shown(text, &s));
    return 0;
}

const char *digest_hex(const char *digest)
{
    return strchr(digest, ':') + 1;
}

/* ---- hashing --------------------------------------------------------------- */

int digester_open(struct digester *digester, const char *algorithm, struct error *err)
{
    const struct algorithm *known = algorithm_find(algorithm, strcspn(algorithm, ":"));
    struct shown s;

    *digester = (struct digester){ 0 };
    if (known == NULL)
        return error_set(err, ERROR_UNIMPLEMENTED,
                         "digest algorithm '%s': not known here; sha256 and sha512 are",
                         shown_bytes(algorithm, strcspn(algorithm, ":"), &s));
    strcpy(digester->algorithm, known->name);
    digester->state = malloc(known->hash->context_size);
    if (digester->state == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a %s", known->name);
    known->hash->init(digester->state);
    return 0;
}

static const struct nettle_hash *hash_of(const struct digester *digester)
{
    return algorithm_find(digester->algorithm, strlen(digester->algorithm))->hash;
}

void digester_add(struct digester *digester, const void *bytes, size_t size)
{
    if (digester->state != NULL && size > 0)
        hash_of(digester)->update(digester->state, size, bytes);
}

int digester_finish(struct digester *digester, char text[DIGEST_TEXT_SIZE], struct error *err)
{
    uint8_t hash[SHA512_DIGEST_SIZE];
    size_t size;
    int used;

    text[0] = '\0';
    if (digester->state == NULL)
        return error_set(err, ERROR_INTERNAL, "a digest was finished that was never begun");
    size = hash_of(digester)->digest_size;
    hash_of(digester)->digest(digester->state, size, hash);
    used = snprintf(text, DIGEST_TEXT_SIZE, "%s:", digester->algorithm);
    for (size_t i = 0; i < size; i++, used += 2)
        snprintf(text + used, 3, "%02x", hash[i]);
    digester_drop(digester);
    return 0;
}

void digester_drop(struct digester *digester)
{
    free(digester->state);
    digester->state = NULL;
}

int digest_of(const char *algorithm, const void *bytes, size_t size, char out[DIGEST_TEXT_SIZE],
              struct error *err)
{
    struct digester digester;

    if (digester_open(&digester, algorithm, err) < 0)
        return -1;
    digester_add(&digester, bytes, size);
    return digester_finish(&digester, out, err);
}

int digest_verify(const char *digest, const void *bytes, size_t size, struct error *err)
{
    char found[DIGEST_TEXT_SIZE];

    if (digest_require(digest, err) < 0 || digest_of(digest, bytes, size, found, err) < 0)
        return -1;
    if (strcmp(found, digest) != 0)
        return error_set(err, ERROR_DATA_LOSS, "%s: the content hashes to %s", digest, found);
    return 0;
}

int chain_id_next(const char *parent, const char *diff_id, char out[DIGEST_TEXT_SIZE],
                  struct error *err)
{
    char both[2 * DIGEST_TEXT_SIZE];
    int length;

    if (digest_require(diff_id, err) < 0)
        return -1;
    if (parent == NULL || *parent == '\0')
        return snprintf(out, DIGEST_TEXT_SIZE, "%s", diff_id), 0;
    if (digest_require(parent, err) < 0)
        return -1;
    length = snprintf(both, sizeof(both), "%s %s", parent, diff_id);
    return digest_of("sha256", both, (size_t)length, out, err);
}
