/* What may become part of an address is letters, digits and few signs between them. */
#include "actors/images/registry_options.h"

#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"

#define SECRET_MAX 16384u /* tokens are passwords, too */

static bool is_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_host(const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++)
        if (!is_word(text[i]) && strchr(".-:[]", text[i]) == NULL)
            return false;
    return size > 0 && size < 256;
}

/* Segments of letters and digits with single separators between, never two dots. */
bool registry_is_repository(const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++) {
        bool between = i > 0 && i + 1 < size;

        if (is_lower(text[i]))
            continue;
        if (!between || strchr("._-/", text[i]) == NULL)
            return false;
        if ((text[i] == '.' || text[i] == '/') && !is_lower(text[i + 1]))
            return false;
    }
    return size > 0 && size < 256;
}

bool registry_is_tag(const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++)
        if (!is_word(text[i]) && (i == 0 || (text[i] != '.' && text[i] != '-')))
            return false;
    return size > 0 && size <= 128;
}

static bool is_longer(const char *text, size_t most)
{
    return text != NULL && strlen(text) > most;
}

static bool is_header_word(const char *text)
{
    size_t size = 0;

    for (; text[size] != '\0'; size++)
        if (text[size] <= ' ' || text[size] > '~')
            return false;
    return size > 0;
}

int registry_known_check(const struct registry_known *user, struct error *err)
{
    if (user->username != NULL && strchr(user->username, ':') != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "a user name holds no colon");
    if (is_longer(user->username, SECRET_MAX) || is_longer(user->password, SECRET_MAX) ||
        is_longer(user->identity_token, SECRET_MAX) ||
        is_longer(user->registry_token, SECRET_MAX))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "user name, password and tokens have at most %u characters each",
                         SECRET_MAX);
    if (user->registry_token != NULL && !is_header_word(user->registry_token))
        return error_set(err, ERROR_INVALID_ARGUMENT, "the registry's token fits no HTTP header");
    return 0;
}

int registry_options_check(const struct registry_options *options, struct error *err)
{
    struct registry_known user;

    if (options->host == NULL || !is_host(options->host))
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.100s\" is no name of a registry",
                         options->host != NULL ? options->host : "");
    if (options->named != NULL && !is_host(options->named))
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.100s\" is no name of a registry",
                         options->named);
    if (options->repository != NULL && !registry_is_repository(options->repository))
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.100s\" is no name of a repository",
                         options->repository);
    user = registry_known_of(options);
    return registry_known_check(&user, err);
}

struct registry_known registry_known_of(const struct registry_options *options)
{
    return (struct registry_known){ options->username, options->password, options->identity_token,
                                   options->registry_token };
}

bool registry_known_any(const struct registry_known *user)
{
    return user != NULL && (registry_known_has_secret(user) || user->registry_token != NULL);
}

bool registry_known_has_secret(const struct registry_known *user)
{
    return user != NULL && (user->username != NULL || user->identity_token != NULL);
}

static void text_wipe(const char **text)
{
    if (*text != NULL)
        memory_wipe((char *)(uintptr_t)*text, strlen(*text));
    *text = NULL;
}

void registry_known_wipe(struct registry_known *user)
{
    text_wipe(&user->password);
    text_wipe(&user->identity_token);
    text_wipe(&user->registry_token);
}

const char *registry_named(const struct registry_options *options)
{
    return options->named != NULL ? options->named : options->host;
}

/* Docker Hub is named one way and reached another. */
const char *registry_host_of(const char *host)
{
    if (strcmp(host, "docker.io") == 0 || strcmp(host, "index.docker.io") == 0)
        return "registry-1.docker.io";
    return host;
}

int registry_blob_check(const struct registry_blob *blob, struct error *err)
{
    if (!digest_is_usable(blob->digest))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "\"%.140s\" is no digest that can be "
                         "verified",
                         blob->digest);
    if (blob->size > INT64_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "blob %s: no blob is so large", blob->digest);
    if (blob->offset > blob->size)
        return error_set(err, ERROR_OUT_OF_RANGE, "blob %s: there are %llu bytes of %llu",
                         blob->digest, (unsigned long long)blob->offset,
                         (unsigned long long)blob->size);
    if (blob->until > blob->size || (blob->part && blob->until == 0))
        return error_set(err, ERROR_OUT_OF_RANGE, "blob %s: no part ends at byte %llu of %llu",
                         blob->digest, (unsigned long long)blob->until,
                         (unsigned long long)blob->size);
    return 0;
}

int registry_upload_check(const struct registry_upload *upload, struct error *err)
{
    const struct registry_blob blob = { .digest = upload->digest, .size = upload->size };

    if (registry_blob_check(&blob, err) < 0)
        return -1;
    if (upload->mount != NULL && !registry_is_repository(upload->mount))
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.100s\" is no name of a repository",
                         upload->mount);
    return 0;
}

int registry_list_check(const struct registry_list *list, struct error *err)
{
    if (list->subject != NULL && !digest_is_usable(list->subject))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "\"%.140s\" is no digest that can be verified", list->subject);
    if (list->after != NULL && !registry_is_tag(list->after))
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.140s\" is no tag", list->after);
    return 0;
}

int registry_delete_check(const char *tag_or_digest, bool blob, struct error *err)
{
    if (digest_is_usable(tag_or_digest) || (!blob && registry_is_tag(tag_or_digest)))
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.140s\" is %s", tag_or_digest,
                     blob ? "no digest, and blobs have no other name" : "neither tag nor digest");
}

bool registry_is_media_type(const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~' || (text[i] >= 'A' && text[i] <= 'Z'))
            return false;
    return size < sizeof(((struct registry_document *)NULL)->media_type);
}

int registry_put_check(const struct registry_put *put, struct error *err)
{
    if (!digest_is_usable(put->name) && !registry_is_tag(put->name))
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.140s\" is neither tag nor digest",
                         put->name);
    if (!digest_is_usable(put->digest))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "\"%.140s\" is no digest that can be verified", put->digest);
    for (size_t i = 0; i < put->tags.count; i++)
        if (!registry_is_tag(put->tags.items[i]))
            return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.140s\" is no tag",
                             put->tags.items[i]);
    if (put->tags.count > 0 && !digest_is_usable(put->name))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: further tags go with a digest alone",
                         put->name);
    if (put->size > REGISTRY_DOCUMENT_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: the document is larger than %u MiB",
                         put->digest, REGISTRY_DOCUMENT_MAX >> 20);
    if (!registry_is_media_type(put->media_type) || *put->media_type == '\0')
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: \"%.100s\" is no media type",
                         put->digest, put->media_type);
    return 0;
}

void registry_login_free(struct registry_login *login)
{
    if (login->identity_token != NULL)
        memory_wipe(login->identity_token, strlen(login->identity_token));
    free(login->identity_token);
    login->identity_token = NULL;
}

void registry_document_free(struct registry_document *document)
{
    free(document->bytes);
    document->bytes = NULL;
}
