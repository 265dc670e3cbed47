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

/* The helper that keeps the host's credentials; NULL: none, the file itself does. */
static int keeper_find(const char *host, struct arena *arena, const char **path,
                       const char **helper, bool *there, struct error *err)
{
    CLEANUP(auth_file_drop) struct auth_file file = { 0 };

    if (open_own(&file, arena, err) < 0)
        return -1;
    *path = arena_str(arena, file.path);
    *helper = arena_str(arena, keeper(&file, host));
    *there = file.root != NULL;
    return 0;
}

/* With an entry, or without one (NULL).  1: there was one before; 0: there was none; -1. */
static int entry_change(const char *path, const char *host, const struct credentials *entry,
                        struct error *err)
{
    CLEANUP(lock_drop) int lock = -1;
    CLEANUP(auth_file_drop) struct auth_file file = { 0 };
    bool was_there;

    if (auth_file_lock(path, &lock, err) < 0 || auth_file_open(&file, path, err) < 0)
        return -1;
    was_there = auth_file_remove(&file, host);
    if (entry != NULL && auth_file_put(&file, host, entry, err) < 0)
        return -1;
    if ((entry != NULL || was_there) && auth_file_save(&file, err) < 0)
        return -1;
    return was_there;
}

int credentials_keep(const char *host, const struct credentials *credentials, struct arena *arena,
                     const char **where, bool *helper, struct error *err)
{
    static const struct credentials elsewhere;
    const char *path, *name;
    bool there;

    if (keeper_find(host, arena, &path, &name, &there, err) < 0)
        return -1;
    *helper = name != NULL;
    *where = name != NULL ? helper_text(name, arena) : path;
    if (name != NULL && auth_helper_store(name, path, server_of(host), credentials, err) < 0)
        return -1;
    return entry_change(path, host, name != NULL ? &elsewhere : credentials, err) < 0 ? -1 : 0;
}

int credentials_forget(const char *host, struct arena *arena, const char **where, struct error *err)
{
    const char *path, *name;
    int erased = 0, was_there;
    bool there;

    if (keeper_find(host, arena, &path, &name, &there, err) < 0)
        return -1;
    *where = name != NULL ? helper_text(name, arena) : path;
    if (!there)
        return 0;
    if (name != NULL)
        erased = auth_helper_erase(name, path, server_of(host), err);
    was_there = entry_change(path, host, NULL, erased < 0 ? &(struct error){ 0 } : err);
    return erased < 0 || was_there < 0 ? -1 : was_there || erased > 0;
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
