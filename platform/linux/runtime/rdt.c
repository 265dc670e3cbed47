/*
 * See rdt.h: the class of one container, from linux.intelRdt to its end.
 *
 * The folders of resctrl are everybody's.  Who looks and then makes holds the flock of its root, as
 * the kernel's documentation wants it, so that of two containers that name a class the second
 * finds it whole.
 */
#include "platform/linux/runtime/rdt_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/linux/runtime/cgroup_parts.h"
#include "platform/linux/runtime/files.h"
#include "protocol/oci/draft.h"

#define FILE_MAX     (1u << 20)
#define LOCK_WAIT_MS 2000
#define LOCK_STEP_MS 10

/* ---- files ------------------------------------------------------------------------ */

char *rdt_file(const char *folder, const char *name, struct error *err)
{
    char path[PATH_SIZE];
    size_t size;

    if (path_format(path, err, "%s/%s", folder, name) < 0)
        return NULL;
    return file_get(AT_FDCWD, path, FILE_MAX, &size, err);
}

int rdt_error(const struct rdt *rdt, int os, struct error *err, const char *fmt, ...)
{
    char what[256], said[128], info[PATH_SIZE];
    struct error ignored;
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    error_sys(err, os, "%s", what);
    if (path_format(info, &ignored, "%s/info", rdt->root) < 0 ||
        control_get(info, "last_cmd_status", said, sizeof(said)) <= 0)
        return -1;
    said[strcspn(said, "\n")] = '\0';
    if (said[0] != '\0' && strcmp(said, "ok") != 0)
        snprintf(err->text + strlen(err->text), sizeof(err->text) - strlen(err->text), " (%s)",
                 said);
    return -1;
}

static bool is_folder(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* ---- reading ---------------------------------------------------------------------- */

/* Names in the root that are no classes, and what the kernel takes for none. */
static bool is_class_name(const char *name)
{
    static const char *const taken[] = { ".", "..", "info", "mon_data", MON_GROUPS };

    for (size_t i = 0; i < COUNT_OF(taken); i++)
        if (strcmp(name, taken[i]) == 0)
            return false;
    return name[0] != '\0' && strlen(name) <= NAME_MAX && strpbrk(name, "/\n") == NULL;
}

static int name_read(struct rdt *rdt, const struct place *place, const char *id, struct error *err)
{
    struct place own = place_member(place, "closID");
    const char *name;

    if (place_text(place, "closID", &name, err) < 0)
        return -1;
    rdt->is_named = name != NULL && name[0] != '\0';
    if (rdt->is_named && strcmp(name, "/") == 0) {
        rdt->name = "";
        rdt->folder = rdt->root;
        return 0;
    }
    if (rdt->is_named && !is_class_name(name))
        return place_failure(&own, err, "%.40s is no name of a class", name);
    if (!rdt->is_named && !is_class_name(id))
        return place_failure(&own, err, "is needed: no class can be called %s, as the container is",
                           id);
    rdt->name = rdt->is_named ? name : arena_str(rdt->arena, id);
    rdt->folder = arena_printf(rdt->arena, "%s/%s", rdt->root, rdt->name);
    rdt->is_own = !rdt->is_named && !is_folder(rdt->folder);
    return 0;
}

/* A word on a line of its own in info/L3_MON/mon_features. */
static bool counts(const struct rdt *rdt, const char *word)
{
    const char *folder = arena_printf(rdt->arena, "%s/info/L3_MON", rdt->root);
    char text[4096];
    const char *at;

    if (control_get(folder, "mon_features", text, sizeof(text)) <= 0)
        return false;
    at = strstr(text, word);
    return at != NULL && (at == text || at[-1] == '\n') && strchr("\n", at[strlen(word)]) != NULL;
}

/* runtime-spec 1.1 and 1.2 had a word for each counter.  All that can be switched is a group. */
static int monitor_read(struct rdt *rdt, const struct place *place, const char *id,
                        struct error *err)
{
    bool all, cache, bandwidth;

    if (place_bool(place, "enableMonitoring", &all, NULL, err) < 0 ||
        place_bool(place, "enableCMT", &cache, NULL, err) < 0 ||
        place_bool(place, "enableMBM", &bandwidth, NULL, err) < 0)
        return -1;
    if (cache && !counts(rdt, "llc_occupancy"))
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "linux.intelRdt.enableCMT: this machine does not count cache occupancy");
    if (bandwidth && !counts(rdt, "mbm_total_bytes") && !counts(rdt, "mbm_local_bytes"))
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "linux.intelRdt.enableMBM: this machine does not count memory bandwidth");
    if (!all && !cache && !bandwidth)
        return 0;
    if (!is_folder(arena_printf(rdt->arena, "%s/" MON_GROUPS, rdt->root)))
        return error_set(
            err, ERROR_FAILED_PRECONDITION,
            "linux.intelRdt.enableMonitoring: this machine cannot monitor (%s has no " MON_GROUPS
            ")",
            rdt->root);
    rdt->monitor = arena_printf(rdt->arena, "%s/" MON_GROUPS "/%s", rdt->folder, id);
    if (!is_folder(rdt->monitor))
        return 0;
    return error_set(err, ERROR_ALREADY_EXISTS,
                     "linux.intelRdt.enableMonitoring: there is a group %s already", rdt->monitor);
}

static struct rdt *rdt_empty(void)
{
    struct arena *arena = arena_new();
    struct rdt *rdt = arena_alloc(arena, sizeof(*rdt));

    rdt->arena = arena;
    return rdt;
}

void rdt_free(struct rdt **rdt)
{
    struct arena *arena = *rdt != NULL ? (*rdt)->arena : NULL;

    *rdt = NULL;
    arena_free(arena);
}

static int rdt_fill(struct rdt *rdt, const struct place *place, const char *id, const char *root,
                    struct error *err)
{
    char found[PATH_SIZE];

    if (!json_is_object(place->json))
        return place_failure(place, err, "must be an object");
    if (schemas_read(rdt, place, err) < 0 || (root == NULL && rdt_find(found, err) < 0))
        return -1;
    rdt->root = arena_str(rdt->arena, root != NULL ? root : found);
    if (name_read(rdt, place, id, err) < 0)
        return -1;
    return monitor_read(rdt, place, id, err);
}

int rdt_new(const struct place *linux_, const char *id, const char *root, struct rdt **rdt,
            struct error *err)
{
    struct place place = place_member(linux_, "intelRdt");

    *rdt = NULL;
    if (place.json == NULL)
        return 0;
    *rdt = rdt_empty();
    if (rdt_fill(*rdt, &place, id, root, err) == 0)
        return 0;
    rdt_free(rdt);
    return -1;
}

/* ---- making ----------------------------------------------------------------------- */

/* Anybody may hold it, so not forever. */
static int root_lock(const struct rdt *rdt, struct error *err)
{
    int root = open(rdt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (root < 0)
        return error_sys(err, errno, "linux.intelRdt: open %s", rdt->root);
    for (int waited = 0; flock(root, LOCK_EX | LOCK_NB) < 0; waited += LOCK_STEP_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            error_sys(err, errno, "linux.intelRdt: lock %s", rdt->root);
            file_close(&root);
            return -1;
        }
        if (waited >= LOCK_WAIT_MS) {
            file_close(&root);
            return error_set(err, ERROR_DEADLINE_EXCEEDED,
                             "linux.intelRdt: somebody holds the lock of %s", rdt->root);
        }
        poll(NULL, 0, LOCK_STEP_MS);
    }
    return root;
}

static int folder_make(const struct rdt *rdt, const char *folder, const char *field,
                       struct error *err)
{
    if (mkdir(folder, 0755) == 0)
        return 0;
    if (errno == ENOSPC)
        return rdt_error(rdt, ENOSPC, err,
                         "linux.intelRdt.%s: make %s: the processor has no more (num_closids, "
                         "num_rmids in %s/info)",
                         field, folder, rdt->root);
    if (errno == EPERM && geteuid() == 0) /* a processor that only counts */
        return rdt_error(rdt, EPERM, err,
                         "linux.intelRdt.%s: make %s: if this machine has no classes, closID \"/\" "
                         "is the one there is",
                         field, folder);
    return rdt_error(rdt, errno, err, "linux.intelRdt.%s: make %s", field, folder);
}

static int class_make(struct rdt *rdt, struct error *err)
{
    if (folder_make(rdt, rdt->folder, "closID", err) < 0)
        return -1;
    rdt->has_made = true;
    return schemas_write(rdt, err);
}

/* The container's class was made for it, or what is asked for was there, or is made, or missing. */
static int class_take(struct rdt *rdt, struct error *err)
{
    bool is_there = is_folder(rdt->folder);

    if (rdt->is_own || (rdt->is_named && !is_there && rdt->count > 0))
        return class_make(rdt, err);
    if (!is_there)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "linux.intelRdt.closID: there is no class %s, and without l3CacheSchema, "
                         "memBwSchema or schemata it must be there before",
                         rdt->name);
    return rdt->is_named ? schemas_compare(rdt, err) : schemas_write(rdt, err);
}

static int monitor_make(struct rdt *rdt, struct error *err)
{
    if (rdt->monitor == NULL)
        return 0;
    if (folder_make(rdt, rdt->monitor, "enableMonitoring", err) < 0)
        return -1;
    rdt->has_made_monitor = true;
    return 0;
}

/* ---- undoing ---------------------------------------------------------------------- */

static int folder_remove(const struct rdt *rdt, const char *folder, struct error *err)
{
    if (rmdir(folder) == 0 || errno == ENOENT)
        return 0;
    return rdt_error(rdt, errno, err, "linux.intelRdt: remove %s", folder);
}

/* Whoever is in a class that is removed is in the default one from then on. */
static bool is_empty(const char *folder)
{
    char text[2];

    return control_get(folder, TASKS, text, sizeof(text)) <= 0;
}

static int undo(struct rdt *rdt, struct error *err)
{
    if (rdt->has_made_monitor && folder_remove(rdt, rdt->monitor, err) < 0)
        return -1;
    if (rdt->has_made && (rdt->is_own || is_empty(rdt->folder)) &&
        folder_remove(rdt, rdt->folder, err) < 0)
        return -1;
    rdt->has_made = rdt->has_made_monitor = false;
    return 0;
}

int rdt_make(struct rdt *rdt, struct error *err)
{
    CLEANUP(file_close) int lock = root_lock(rdt, err);
    struct error ignored;

    if (lock < 0)
        return -1;
    if (class_take(rdt, err) == 0 && monitor_make(rdt, err) == 0)
        return 0;
    undo(rdt, &ignored);
    return -1;
}

int rdt_enter(const struct rdt *rdt, pid_t pid, struct error *err)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", (int)pid);
    /* in this order: a monitoring group takes tasks of its class only */
    if (control_put(rdt->folder, TASKS, number) < 0)
        return rdt_error(rdt, errno, err, "linux.intelRdt: move process %s to %s", number,
                         rdt->folder);
    if (rdt->monitor != NULL && control_put(rdt->monitor, TASKS, number) < 0)
        return rdt_error(rdt, errno, err, "linux.intelRdt.enableMonitoring: move process %s to %s",
                         number, rdt->monitor);
    return 0;
}

/* ---- the end ---------------------------------------------------------------------- */

/* A class by name may have been joined meanwhile. */
int rdt_undo(struct rdt *rdt, struct error *err)
{
    CLEANUP(file_close) int lock = rdt->has_made && rdt->is_named ? root_lock(rdt, err) : -1;

    return undo(rdt, err);
}

int rdt_remove(const struct rdt *rdt, struct error *err)
{
    if (rdt->monitor != NULL && folder_remove(rdt, rdt->monitor, err) < 0)
        return -1;
    return rdt->is_own ? folder_remove(rdt, rdt->folder, err) : 0;
}

/* ---- between two commands ------------------------------------------------------------ */

json_t *rdt_save(const struct rdt *rdt)
{
    json_t *saved = draft_object();

    draft_put(saved, "root", draft_text(rdt->root));
    draft_put(saved, "class", draft_text(rdt->name));
    if (rdt->monitor != NULL)
        draft_put(saved, "monitor", draft_text(strrchr(rdt->monitor, '/') + 1));
    draft_put(saved, "own", draft_bool(rdt->is_own));
    return saved;
}

static int saved_read(struct rdt *rdt, const struct place *top, struct error *err)
{
    const char *monitor;

    if (place_needs(top, "root", err) < 0 || place_text(top, "root", &rdt->root, err) < 0 ||
        place_text(top, "class", &rdt->name, err) < 0 ||
        place_text(top, "monitor", &monitor, err) < 0 ||
        place_bool(top, "own", &rdt->is_own, NULL, err) < 0)
        return -1;
    if (rdt->name == NULL || rdt->name[0] == '\0')
        rdt->name = "", rdt->is_own = false;
    else if (!is_class_name(rdt->name))
        return error_set(err, ERROR_DATA_LOSS, "%.40s is no name of a class", rdt->name);
    if (monitor != NULL && strchr(monitor, '/') != NULL)
        return error_set(err, ERROR_DATA_LOSS, "%.40s is no name of a group", monitor);
    rdt->root = arena_str(rdt->arena, rdt->root);
    rdt->name = arena_str(rdt->arena, rdt->name);
    rdt->folder =
        rdt->name[0] != '\0' ? arena_printf(rdt->arena, "%s/%s", rdt->root, rdt->name) : rdt->root;
    if (monitor != NULL)
        rdt->monitor = arena_printf(rdt->arena, "%s/" MON_GROUPS "/%s", rdt->folder, monitor);
    return 0;
}

int rdt_load(const json_t *saved, struct rdt **rdt, struct error *err)
{
    struct place top = place_document(saved);

    *rdt = NULL;
    if (saved == NULL)
        return 0;
    *rdt = rdt_empty();
    if (saved_read(*rdt, &top, err) == 0)
        return 0;
    rdt_free(rdt);
    return error_wrap(err, "saved class of caches");
}
