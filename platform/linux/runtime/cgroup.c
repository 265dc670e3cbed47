/*
 * cgroup — making the groups of a container and putting processes into them; see cgroup.h.
 *
 * What the kernel takes for it (Linux 6.18, 10 hierarchies, nothing else running): mkdir 35 us and
 * rmdir 25 us each.  Writing a pid into a cgroup.procs file waits for an RCU grace period, 5 to
 * 15 ms, as the first such write takes a lock that every fork() and exit() of the machine holds
 * shared (cgroup_threadgroup_rwsem).  Two ways in do not: CLONE_INTO_CGROUP for version 2, and
 * for version 1 a process that moves its one thread itself, by writing 0 into `tasks`: 9 us each.
 * So cgroup_make() opens the doors, and the child goes through them with cgroup_join().
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/oci/draft.h"

static bool is_v2(const struct group *group)
{
    return group->controllers[0] == '\0';
}

/* ---- new and free -------------------------------------------------------------------- */

static struct cgroup *cgroup_empty(void)
{
    struct arena *arena = arena_new();
    struct cgroup *cgroup = arena_alloc(arena, sizeof(*cgroup));

    cgroup->arena = arena;
    return cgroup;
}

void cgroup_free(struct cgroup **cgroup)
{
    if (*cgroup == NULL)
        return;
    for (size_t i = 0; i < (*cgroup)->count; i++)
        if ((*cgroup)->groups[i].door >= 0)
            close((*cgroup)->groups[i].door);
    arena_free((*cgroup)->arena);
    *cgroup = NULL;
}

static int cgroup_prepare(struct cgroup *cgroup, const struct cgroup_want *want, struct error *err)
{
    const struct place nothing = { 0 };
    const char *path;

    cgroup->rootless = want->rootless;
    cgroup->annotations = want->annotations;
    if (resources_read(want->resources != NULL ? want->resources : &nothing, &cgroup->resources,
                       cgroup->arena, err) < 0)
        return -1;
    if (cgroup->resources.memory.kernel.is_set)
        snprintf(cgroup->warning, sizeof(cgroup->warning),
                 "linux.resources.memory.kernel is ignored: the kernel has no such limit any more");
    if (want->systemd)
        path = scope_path_of(cgroup, want->path, want->id, err);
    else
        path = cgroup_path_of(want->path, want->id, cgroup->arena, err);
    return path != NULL ? cgroup_find(cgroup, path, err) : -1;
}

struct cgroup *cgroup_new(const struct cgroup_want *want, struct error *err)
{
    struct cgroup *cgroup = cgroup_empty();

    if (cgroup_prepare(cgroup, want, err) < 0)
        cgroup_free(&cgroup);
    return cgroup;
}

const char *cgroup_warning(const struct cgroup *cgroup)
{
    return cgroup->warning[0] != '\0' ? cgroup->warning : NULL;
}

/* ---- the folders ---------------------------------------------------------------------- */

/* Makes what is missing of group->folder; tells where that begins. */
static int folder_make(struct group *group)
{
    char path[PATH_MAX];
    size_t size = strlen(group->folder), from = 0;

    if (mkdir(group->folder, 0755) == 0) {
        group->made_from = (size_t)(strrchr(group->folder, '/') - group->folder);
        return 0;
    }
    if (errno != ENOENT)
        return errno == EEXIST ? 0 : -1;
    memcpy(path, group->folder, size + 1);
    for (size_t at = strlen(group->mounted) + 1; at <= size; at++) {
        if (path[at] != '/' && path[at] != '\0')
            continue;
        path[at] = '\0';
        if (mkdir(path, 0755) == 0 && from == 0)
            from = (size_t)(strrchr(path, '/') - path);
        else if (from == 0 && errno != EEXIST)
            return -1;
        path[at] = group->folder[at];
    }
    group->made_from = from;
    return 0;
}

/* Takes back what folder_make() made, and nothing else. */
static void folder_unmake(struct group *group)
{
    char path[PATH_MAX];

    if (group->made_from == 0)
        return;
    strcpy(path, group->folder); /* as long as folder_make() has seen it */
    while (strlen(path) > group->made_from && rmdir(path) == 0)
        *strrchr(path, '/') = '\0';
    group->made_from = 0;
}

/* runtime-spec, "Control groups": one that others use is not fit for a container. */
static int group_check_unused(const struct group *group, struct error *err)
{
    char text[4096];
    size_t count = 0;

    if (control_get(group->folder, "cgroup.procs", text, sizeof(text)) > 0)
        for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
            count++;
    if (count > 0)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "container's cgroup is not empty: %zu process(es) found in %s", count,
                         group->folder);
    if (control_get(group->folder, "freezer.state", text, sizeof(text)) > 0 &&
        strncmp(text, "THAWED", 6) != 0)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "container's cgroup unexpectedly frozen: %s", group->folder);
    return 0;
}

static int group_make(const struct cgroup *cgroup, struct group *group, struct error *err)
{
    bool forbidden;

    if (folder_make(group) == 0) /* of a scope, systemd has put the process in already */
        return group->made_from > 0 || cgroup->unit != NULL ? 0 : group_check_unused(group, err);
    forbidden = errno == EACCES || errno == EPERM || errno == EROFS;
    /* of a hybrid host, the one of version 2 only makes things easier */
    group->absent = forbidden && (cgroup->rootless || (is_v2(group) && !cgroup->v2));
    return group->absent ? 0 : error_sys(err, errno, "make control group %s", group->folder);
}

static int groups_make(struct cgroup *cgroup, struct error *err)
{
    bool fresh = true;

    for (size_t i = 0; i < cgroup->count; i++) {
        struct group *group = &cgroup->groups[i];

        if (group_make(cgroup, group, err) < 0)
            return -1;
        fresh &= group->absent || group->made_from > 0;
        if (!group->absent && strcmp(group->controllers, "cpuset") == 0 &&
            cpuset_inherit_v1(group, &cgroup->resources, err) < 0)
            return -1;
    }
    return cgroup->v2 ? limits_apply_v2(cgroup, &cgroup->resources, fresh, err)
                      : limits_apply_v1(cgroup, &cgroup->resources, fresh, err);
}

static void groups_unmake(struct cgroup *cgroup)
{
    for (size_t i = 0; i < cgroup->count; i++)
        folder_unmake(&cgroup->groups[i]);
}

int cgroup_make(struct cgroup *cgroup, struct error *err)
{
    if (cgroup->unit != NULL)
        return 0;
    if (groups_make(cgroup, err) == 0 && cgroup_open(cgroup, 0, err) == 0)
        return 0;
    groups_unmake(cgroup);
    return -1;
}

/* ---- ways in ------------------------------------------------------------------------------ */

/* A group of version 2 that hands controllers down takes no processes ("no internal processes",
   cgroups(7)): its container has made groups of its own, and who comes later goes to where its
   first process is, if that is below. */
static void group_follow(struct cgroup *cgroup, struct group *group, pid_t beside)
{
    char name[40], text[PATH_MAX], *path;

    if (beside <= 0 || control_get(group->folder, "cgroup.subtree_control", text, 2048) <= 1)
        return;
    snprintf(name, sizeof(name), "/proc/%d", (int)beside);
    if (control_get(name, "cgroup", text, sizeof(text)) < 0 ||
        (path = strstr(text, "0::/")) == NULL)
        return;
    path += strlen("0::");
    path[strcspn(path, "\n")] = '\0';
    if (strncmp(path, group->path, strlen(group->path)) == 0 && strstr(path, "/..") == NULL)
        group->folder = arena_printf(cgroup->arena, "%s%s", group->mounted, path);
}

int cgroup_open(struct cgroup *cgroup, pid_t beside, struct error *err)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < cgroup->count; i++) {
        struct group *group = &cgroup->groups[i];

        if (group->absent || group->door >= 0)
            continue;
        if (is_v2(group)) {
            group_follow(cgroup, group, beside);
            group->door = open(group->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        } else {
            snprintf(path, sizeof(path), "%s/tasks", group->folder);
            group->door = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        }
        if (group->door < 0)
            return error_sys(err, errno, "open control group %s", group->folder);
    }
    return 0;
}

int cgroup_folder(const struct cgroup *cgroup)
{
    const struct group *group = cgroup_group(cgroup, "");

    return group != NULL ? group->door : -1;
}

int cgroup_join(const struct cgroup *cgroup, struct error *err)
{
    for (size_t i = 0; i < cgroup->count; i++) {
        const struct group *group = &cgroup->groups[i];

        if (group->door >= 0 && !is_v2(group) && write(group->door, "0", 1) != 1)
            return error_sys(err, errno, "enter control group %s", group->folder);
    }
    return 0;
}

static int groups_enter(const struct cgroup *cgroup, pid_t pid, struct error *err)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", (int)pid);
    for (size_t i = 0; i < cgroup->count; i++) {
        const struct group *group = &cgroup->groups[i];

        if (!group->absent && control_put(group->folder, "cgroup.procs", text) < 0)
            return error_sys(err, errno, "put process %d into control group %s", (int)pid,
                             group->folder);
    }
    return 0;
}

int cgroup_enter(struct cgroup *cgroup, pid_t pid, struct error *err)
{
    struct error ignored;

    if (cgroup->unit == NULL || cgroup->is_started)
        return groups_enter(cgroup, pid, err);
    if (scope_start(cgroup, pid, err) < 0)
        return -1;
    cgroup->is_started = true;
    if (groups_make(cgroup, err) == 0 && groups_enter(cgroup, pid, err) == 0)
        return 0;
    groups_unmake(cgroup);
    scope_stop(cgroup, &ignored);
    return -1;
}

/* ---- later ---------------------------------------------------------------------------------- */

int cgroup_update(struct cgroup *cgroup, const struct place *resources, struct error *err)
{
    struct resources *wanted = arena_alloc(cgroup->arena, sizeof(*wanted));

    if (resources_read(resources, wanted, cgroup->arena, err) < 0)
        return -1;
    if (cgroup->unit != NULL && scope_set(cgroup, wanted, err) < 0)
        return -1;
    return cgroup->v2 ? limits_apply_v2(cgroup, wanted, false, err)
                      : limits_apply_v1(cgroup, wanted, false, err);
}

int cgroup_each(const struct cgroup *cgroup,
                int (*each)(void *ctx, const char *controllers, const char *mounted,
                            const char *path, struct error *err),
                void *ctx, struct error *err)
{
    for (size_t i = 0; i < cgroup->count; i++) {
        const struct group *group = &cgroup->groups[i];

        if (!group->absent && each(ctx, group->controllers, group->mounted, group->path, err) < 0)
            return -1;
    }
    return 0;
}

bool cgroup_is_none(const struct cgroup *cgroup)
{
    return cgroup_any(cgroup) == NULL;
}

bool cgroup_is_v2(const struct cgroup *cgroup)
{
    return cgroup->v2;
}

json_t *cgroup_save(const struct cgroup *cgroup)
{
    json_t *saved = draft_object(), *groups = draft_array();

    for (size_t i = 0; i < cgroup->count; i++) {
        const struct group *group = &cgroup->groups[i];
        json_t *item = draft_object();

        draft_put(item, "controllers", draft_text(group->controllers));
        draft_put(item, "mounted", draft_text(group->mounted));
        draft_put(item, "path", draft_text(group->path));
        if (!group->absent)
            draft_add(groups, item);
        else
            json_decref(item);
    }
    draft_put(saved, "v2", draft_bool(cgroup->v2));
    draft_put(saved, "rootless", draft_bool(cgroup->rootless));
    if (cgroup->unit != NULL) {
        draft_put(saved, "slice", draft_text(cgroup->slice));
        draft_put(saved, "unit", draft_text(cgroup->unit));
    }
    draft_put(saved, "groups", groups);
    return saved;
}

static int group_load(struct cgroup *cgroup, const struct place *place, struct error *err)
{
    const char *controllers, *mounted, *path;

    if (place_text(place, "controllers", &controllers, err) < 0 ||
        place_needs(place, "mounted", err) < 0 || place_needs(place, "path", err) < 0 ||
        place_text(place, "mounted", &mounted, err) < 0 ||
        place_text(place, "path", &path, err) < 0)
        return -1;
    cgroup_add(cgroup, controllers != NULL ? controllers : "", mounted, path);
    return 0;
}

static int cgroup_fill(struct cgroup *cgroup, const json_t *saved, struct error *err)
{
    struct place top = place_document(saved), groups = place_member(&top, "groups");
    const char *slice, *unit;
    size_t count;

    if (place_bool(&top, "v2", &cgroup->v2, NULL, err) < 0 ||
        place_bool(&top, "rootless", &cgroup->rootless, NULL, err) < 0 ||
        place_text(&top, "slice", &slice, err) < 0 || place_text(&top, "unit", &unit, err) < 0 ||
        place_count(&groups, &count, err) < 0)
        return -1;
    cgroup->slice = arena_str(cgroup->arena, slice);
    cgroup->unit = arena_str(cgroup->arena, unit);
    cgroup->is_started = unit != NULL;
    for (size_t i = 0; i < count; i++) {
        struct place place = place_element(&groups, i);

        if (group_load(cgroup, &place, err) < 0)
            return -1;
    }
    return 0;
}

struct cgroup *cgroup_load(const json_t *saved, struct error *err)
{
    struct cgroup *cgroup = cgroup_empty();

    if (cgroup_fill(cgroup, saved, err) < 0) {
        error_wrap(err, "saved control groups");
        cgroup_free(&cgroup);
    }
    return cgroup;
}
