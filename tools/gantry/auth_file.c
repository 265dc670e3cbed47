/* auth_file — keys are compared without scheme, Docker Hub's names as one. */
#include "tools/gantry/auth_file.h"

#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/scope.h"
#include "protocol/json.h"
#include "protocol/oci/document.h"
#include "protocol/oci/shown.h"

#define FILE_MAX (4u << 20)
#define LOCK_MS  10000 /* others have it for milliseconds */

static int malformed(const struct auth_file *file, const char *what, struct error *err)
{
    error_set(err, ERROR_DATA_LOSS, "%s: %s", file->path, what);
    return error_hint(err, "repair the file, or log in anew after moving it away");
}

int auth_file_open(struct auth_file *file, const char *path, struct error *err)
{
    struct error why = { 0 };
    size_t size;
    char *text;

    *file = (struct auth_file){ 0 };
    if (path_format(file->path, err, "%s", path) < 0)
        return -1;
    if (!fs_exists(path))
        return 0;
    text = fs_read(path, FILE_MAX, &size, err);
    if (text == NULL)
        return -1;
    if (strspn(text, " \t\r\n") < size)
        file->root = document_load("credentials", text, size, FILE_MAX, &why);
    else
        file->root = json_object(); /* empty: as docker has it */
    memory_wipe(text, size);
    free(text);
    return file->root != NULL ? 0 : malformed(file, why.text, err);
}

void auth_file_drop(struct auth_file *file)
{
    json_decref(file->root);
    file->root = NULL;
}

static int folder_make(const char *path, struct error *err)
{
    char folder[PATH_SIZE];
    char *slash;

    if (path_format(folder, err, "%s", path) < 0)
        return -1;
    slash = strrchr(folder, '/');
    if (slash == NULL || slash == folder)
        return 0;
    *slash = '\0';
    return fs_exists(folder) ? 0 : fs_folder_make_all(folder, 0700, err);
}

int auth_file_lock(const char *path, int *lock, struct error *err)
{
    char real[PATH_SIZE], beside[PATH_SIZE];
    struct holder holder;

    *lock = -1;
    if (fs_follow(path, real, err) < 0 || folder_make(real, err) < 0 ||
        path_format(beside, err, "%s.lock", real) < 0)
        return -1;
    return lock_wait(beside, LOCK_MS, lock, &holder, err);
}

int auth_file_save(const struct auth_file *file, struct error *err)
{
    char path[PATH_SIZE], *text;
    size_t size;
    int result;

    if (fs_follow(file->path, path, err) < 0 || folder_make(path, err) < 0)
        return -1;
    text = json_dumps(file->root, JSON_INDENT(4) | JSON_ENSURE_ASCII);
    if (text == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for %s", path);
    size = strlen(text);
    text[size] = '\n'; /* in place of the NUL */
    result = fs_write(path, text, size + 1, 0600, true, err);
    memory_wipe(text, size + 1);
    free(text);
    return result;
}

/* ---- keys ------------------------------------------------------------------------- */

static bool is_hub(const char *host, size_t size)
{
    static const char *const names[] = { HUB, "index.docker.io", "registry-1.docker.io" };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strlen(names[i]) == size && strncasecmp(names[i], host, size) == 0)
            return true;
    return false;
}

bool auth_is_hub(const char *host)
{
    return is_hub(host, strlen(host));
}

/* Behind the scheme of an address: then what follows the host means nothing. */
static const char *skip_scheme(const char *key)
{
    const char *colon = strstr(key, "://");

    return colon != NULL ? colon + 3 : key;
}

static bool is_version(const char *path)
{
    return strcmp(path, "") == 0 || strcmp(path, "/") == 0 || strcmp(path, "/v1/") == 0 ||
           strcmp(path, "/v2/") == 0 || strcmp(path, "/v1") == 0 || strcmp(path, "/v2") == 0;
}

/* How well the key fits: 0 not at all, 1 it is the host's, more by the path below it. */
static size_t key_fits(const char *key, const char *host, const char *repository)
{
    const char *start = skip_scheme(key);
    size_t size = strcspn(start, "/"), length;
    const char *path = start + size;
    bool is_same = (strlen(host) == size && strncasecmp(host, start, size) == 0) ||
                   (strcmp(host, HUB) == 0 && is_hub(start, size));

    if (!is_same)
        return 0;
    if (start != key || is_version(path))
        return 1;
    if (repository == NULL)
        return 0;
    path++;
    length = strlen(path);
    if (strncmp(path, repository, length) != 0 ||
        (repository[length] != '\0' && repository[length] != '/'))
        return 0;
    return 1 + length;
}

static const json_t *best(const json_t *entries, const char *host, const char *repository,
                          const char **best_key)
{
    const json_t *found = NULL;
    size_t most = 0;

    for (void *at = json_object_iter((json_t *)(uintptr_t)entries); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)entries, at)) {
        const char *key = json_object_iter_key(at);
        size_t fit = key_fits(key, host, repository);

        if (fit <= most)
            continue;
        most = fit;
        found = json_object_iter_value(at);
        *best_key = key;
    }
    return found;
}

const char *auth_file_helper(const struct auth_file *file, const char *host)
{
    const char *key;

    return json_string_value(best(json_object_get(file->root, "credHelpers"), host, NULL, &key));
}

const char *auth_file_store(const struct auth_file *file)
{
    const char *name = json_string_value(json_object_get(file->root, "credsStore"));

    return name != NULL && *name != '\0' ? name : NULL;
}

/* ---- entries ------------------------------------------------------------------------ */

static const char *text_of(const json_t *entry, const char *key, struct arena *arena)
{
    const char *text = json_string_value(json_object_get(entry, key));

    return text != NULL && *text != '\0' ? arena_str(arena, text) : NULL;
}

/* base64 of USER:PASSWORD, perhaps with NULs at its end. */
static int read_auth(const char *text, struct arena *arena, struct credentials *out)
{
    struct base64_decode_ctx state;
    size_t length = strlen(text), size = BASE64_DECODE_LENGTH(length);
    char *plain = arena_alloc(arena, size), *colon;

    base64_decode_init(&state);
    if (base64_decode_update(&state, &size, (uint8_t *)plain, length, text) != 1 ||
        base64_decode_final(&state) != 1)
        return -1;
    plain[size] = '\0';
    colon = strchr(plain, ':');
    if (colon == NULL)
        return -1;
    *colon = '\0';
    out->username = plain;
    out->password = colon + 1;
    return 0;
}

static int read_entry(const struct auth_file *file, const char *key, const json_t *entry,
                      struct arena *arena, struct credentials *out, struct error *err)
{
    const char *auth = json_string_value(json_object_get(entry, "auth"));
    struct shown shown_key;
    char what[160];

    *out = (struct credentials){ .username = text_of(entry, "username", arena),
                                 .password = text_of(entry, "password", arena),
                                 .identity_token = text_of(entry, "identitytoken", arena),
                                 .registry_token = text_of(entry, "registrytoken", arena),
                                 .source = arena_str(arena, file->path) };
    if (auth != NULL && *auth != '\0' && read_auth(auth, arena, out) < 0) {
        snprintf(what, sizeof(what), "\"auth\" of %s is not base64 of USER:PASSWORD",
                 shown(key, &shown_key));
        return malformed(file, what, err);
    }
    if (out->username != NULL && *out->username == '\0')
        out->username = out->password = NULL;
    return out->username != NULL || out->identity_token != NULL || out->registry_token != NULL;
}

int auth_file_find(const struct auth_file *file, const char *host, const char *repository,
                   struct arena *arena, struct credentials *out, struct error *err)
{
    const json_t *entries = json_object_get(file->root, "auths");
    const char *key = NULL;
    const json_t *entry = best(entries, host, repository, &key);

    if (entries != NULL && !json_is_object(entries))
        return malformed(file, "\"auths\" is no object", err);
    if (entry == NULL)
        return 0;
    if (!json_is_object(entry))
        return malformed(file, "an entry of \"auths\" is no object", err);
    return read_entry(file, key, entry, arena, out, err);
}

static void add_host(const char *key, struct arena *arena, struct strs *out)
{
    const char *start = skip_scheme(key);
    size_t size = strcspn(start, "/");
    const char *host = is_hub(start, size) ? HUB : arena_printf(arena, "%.*s", (int)size, start);

    for (size_t i = 0; i < out->count; i++)
        if (strcasecmp(out->items[i], host) == 0)
            return;
    out->items[out->count++] = host;
}

void auth_file_hosts(const struct auth_file *file, struct arena *arena, struct strs *out)
{
    json_t *lists[] = { json_object_get(file->root, "auths"),
                        json_object_get(file->root, "credHelpers") };
    size_t room = json_object_size(lists[0]) + json_object_size(lists[1]);
    json_t *entry;
    const char *key;

    *out = (struct strs){ .items = arena_alloc(arena, room * sizeof(char *)) };
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        json_object_foreach (lists[i], key, entry)
            add_host(key, arena, out);
}

/* ---- changing ------------------------------------------------------------------------- */

bool auth_file_remove(struct auth_file *file, const char *host)
{
    json_t *entries = json_object_get(file->root, "auths");
    bool was_there = false;
    const char *key;

    while (best(entries, host, NULL, &key) != NULL) {
        json_object_del(entries, key);
        was_there = true;
    }
    return was_there;
}

static json_t *auth_of(const struct credentials *credentials)
{
    const char *password = credentials->identity_token == NULL && credentials->password != NULL
                               ? credentials->password
                               : "";
    size_t size = strlen(credentials->username) + strlen(password) + 2;
    char *plain = malloc(size);
    json_t *auth = NULL;

    if (plain != NULL) {
        snprintf(plain, size, "%s:%s", credentials->username, password);
        auth = json_base64(plain, size - 1);
        memory_wipe(plain, size);
    }
    free(plain);
    return auth;
}

static json_t *entry_of(const struct credentials *credentials)
{
    json_t *entry = json_object();

    if (credentials->username != NULL)
        json_object_set_new(entry, "auth", auth_of(credentials));
    if (credentials->identity_token != NULL)
        json_object_set_new(entry, "identitytoken", json_string(credentials->identity_token));
    return entry;
}

int auth_file_put(struct auth_file *file, const char *host, const struct credentials *credentials,
                  struct error *err)
{
    json_t *entries;

    if (file->root == NULL)
        file->root = json_object();
    entries = json_object_get(file->root, "auths");
    if (entries == NULL) {
        entries = json_object();
        json_object_set_new(file->root, "auths", entries);
    }
    if (!json_is_object(entries))
        return malformed(file, "\"auths\" is no object", err);
    auth_file_remove(file, host);
    if (json_object_set_new(entries, strcmp(host, HUB) == 0 ? HUB_KEY : host,
                            entry_of(credentials)) < 0)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for %s", file->path);
    return 0;
}
