/* credentials — the happy path is: the files in their order -> the helper that one names, or
 * itself. */
#include "tools/gantry/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"
#include "protocol/oci/shown.h"
#include "tools/gantry/auth_file.h"
#include "tools/gantry/auth_helper.h"

/* ---- where ------------------------------------------------------------------------ */

static const char *setting(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0' ? value : NULL;
}

/* NULL: this user has no home. */
static const char *at_home(const char *variable, const char *below, const char *rest,
                           struct arena *arena)
{
    const char *folder = setting(variable), *home = setting("HOME");

    if (folder != NULL)
        return arena_printf(arena, "%s/%s", folder, rest);
    return home != NULL ? arena_printf(arena, "%s/%s/%s", home, below, rest) : NULL;
}

static const char *docker_file(struct arena *arena)
{
    return at_home("DOCKER_CONFIG", ".docker", "config.json", arena);
}

#define PLACES 5

static size_t places(const char *out[PLACES], struct arena *arena)
{
    const char *run = setting("XDG_RUNTIME_DIR");
    const char *all[PLACES] = {
        setting("REGISTRY_AUTH_FILE"),
        docker_file(arena),
        run != NULL ? arena_printf(arena, "%s/containers/auth.json", run) : NULL,
        arena_printf(arena, "/run/containers/%u/auth.json", process_user()),
        at_home("XDG_CONFIG_HOME", ".config", "containers/auth.json", arena),
    };
    size_t count = 0;

    for (size_t i = 0; i < PLACES; i++)
        if (all[i] != NULL)
            out[count++] = all[i];
    return count;
}

/* ---- finding ---------------------------------------------------------------------- */

/* Docker Hub goes by docker's name for it. */
static const char *server_of(const char *host)
{
    return strcmp(host, HUB) == 0 ? HUB_KEY : host;
}

static int find_in(const struct auth_file *file, const char *host, const char *repository,
                   struct arena *arena, struct credentials *out, struct error *err)
{
    const char *helpers[] = { auth_file_helper(file, host), auth_file_store(file) };

    for (size_t i = 0; i < COUNT_OF(helpers); i++) {
        int found = 0;

        if (helpers[i] != NULL &&
            (i == 0 || helpers[0] == NULL || strcmp(helpers[0], helpers[1]) != 0))
            found = auth_helper_get(helpers[i], file->path, server_of(host), arena, out, err);
        if (found != 0)
            return found;
    }
    return auth_file_find(file, host, repository, arena, out, err);
}

int credentials_find(const char *host, const char *repository, struct arena *arena,
                     struct credentials *out, struct error *err)
{
    const char *paths[PLACES];
    size_t count = places(paths, arena);

    if (auth_is_hub(host))
        host = HUB;
    *out = (struct credentials){ 0 };
    for (size_t i = 0; i < count; i++) {
        CLEANUP(auth_file_drop) struct auth_file file = { 0 };
        int found;

        if (auth_file_open(&file, paths[i], err) < 0)
            return -1;
        found = file.root != NULL ? find_in(&file, host, repository, arena, out, err) : 0;
        if (found != 0)
            return found;
    }
    *out = (struct credentials){ 0 };
    return 0;
}

static void wipe(const char **secret)
{
    if (*secret != NULL)
        memory_wipe((char *)(uintptr_t)*secret, strlen(*secret));
    *secret = NULL;
}

void credentials_wipe(struct credentials *credentials)
{
    wipe(&credentials->password);
    wipe(&credentials->identity_token);
    wipe(&credentials->registry_token);
}

/* ---- keeping ----------------------------------------------------------------------- */

static int open_own(struct auth_file *file, struct arena *arena, struct error *err)
{
    const char *path = docker_file(arena);

    if (path == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "there is no place for credentials: set HOME or DOCKER_CONFIG");
    return auth_file_open(file, path, err);
}

/* The helper that keeps the host's credentials, by docker's rules. */
static const char *keeper(const struct auth_file *file, const char *host)
{
    const char *helper = auth_file_helper(file, host);

    return helper != NULL ? helper : auth_file_store(file);
}

static const char *helper_text(const char *helper, struct arena *arena)
{
    return arena_printf(arena, "docker-credential-%s", helper);
}

int credentials_keep(const char *host, const struct credentials *credentials, struct arena *arena,
                     const char **where, bool *helper, struct error *err)
{
    static const struct credentials elsewhere;
    CLEANUP(auth_file_drop) struct auth_file file = { 0 };
    const char *name;

    if (open_own(&file, arena, err) < 0)
        return -1;
    name = keeper(&file, host);
    *helper = name != NULL;
    *where = name != NULL ? helper_text(name, arena) : arena_str(arena, file.path);
    if (name != NULL && auth_helper_store(name, file.path, server_of(host), credentials, err) < 0)
        return -1;
    if (auth_file_put(&file, host, name != NULL ? &elsewhere : credentials, err) < 0)
        return -1;
    return auth_file_save(&file, err);
}

int credentials_forget(const char *host, struct arena *arena, const char **where, struct error *err)
{
    CLEANUP(auth_file_drop) struct auth_file file = { 0 };
    const char *name;
    int erased = 0;
    bool was_there;

    if (open_own(&file, arena, err) < 0)
        return -1;
    *where = arena_str(arena, file.path);
    if (file.root == NULL)
        return 0;
    name = keeper(&file, host);
    if (name != NULL) {
        *where = helper_text(name, arena);
        erased = auth_helper_erase(name, file.path, server_of(host), err);
    }
    was_there = auth_file_remove(&file, host);
    if (was_there && auth_file_save(&file, err) < 0)
        return -1;
    return erased < 0 ? -1 : was_there || erased > 0;
}

int credentials_hosts(struct arena *arena, struct strs *out, struct error *err)
{
    CLEANUP(auth_file_drop) struct auth_file file = { 0 };

    *out = (struct strs){ 0 };
    if (open_own(&file, arena, err) < 0)
        return -1;
    auth_file_hosts(&file, arena, out);
    return 0;
}

/* ---- hosts ------------------------------------------------------------------------- */

int credentials_host(const char *text, struct arena *arena, const char **host, struct error *err)
{
    const char *start = strstr(text, "://");
    struct reference reference;
    struct shown shown_text;
    char *name;

    start = start != NULL ? start + 3 : text;
    name = arena_printf(arena, "%.*s/x", (int)strcspn(start, "/"), start);
    if (reference_parse(name, &reference, err) < 0 ||
        (strcmp(reference.repository, "x") != 0 && strcmp(reference.repository, "library/x") != 0))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "\"%s\" is no registry: it is written as host or host:port, with a dot, "
                         "a colon, or as localhost",
                         shown(text, &shown_text));
    *host = auth_is_hub(reference.host) ? HUB : arena_str(arena, reference.host);
    return 0;
}
