/*
 * overlay — layers as folders, put on top of each other by the kernel's overlay.
 *
 *      <root>/snapshots/<number>/fs      what the layer holds; the upper of an active one
 *      <root>/snapshots/<number>/work    the kernel's own, beside an upper
 *
 * Paths in mounts are absolute; who mounts more layers than a page of options holds
 * changes into the common folder first, which is why the numbers are all that differs.
 * Options follow Documentation/filesystems/overlayfs.rst of the kernel.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "platform/linux/drivers.h"
#include "platform/linux/layer_home.h"
#include "platform/linux/layer_marks.h"
#include "platform/linux/quota.h"
#include "platform/scope.h"
#include "protocol/id_map.h"

#define WORK        "/work"
#define PARENTS_MAX 500 /* OVL_MAX_STACK */

struct overlay {
    char folder[PATH_SIZE];
    bool has_overlay;                   /* the kernel */
    bool nested;                        /* the folder lies on an overlay: no upper can be there */
    bool index, metacopy, redirect_dir; /* options that can be switched off */
    bool has_volatile;                  /* Linux 5.10 */
    bool has_projects;                  /* a file system whose folders may have limits */
};

/* ---- what the kernel can ------------------------------------------------------------- */

static bool parameter_exists(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/module/overlay/parameters/%s", name);
    return access(path, F_OK) == 0;
}

/* Asking for the file system loads its module, too. */
static bool kernel_has_overlay(void)
{
    int fd = fsopen("overlay", FSOPEN_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno != ENODEV;
}

static bool kernel_is_since(unsigned major, unsigned minor)
{
    unsigned found[2] = { 0, 0 };
    struct utsname name;

    return uname(&name) == 0 && sscanf(name.release, "%u.%u", &found[0], &found[1]) == 2 &&
           (found[0] > major || (found[0] == major && found[1] >= minor));
}

static int overlay_open(const char *folder, void **state, struct error *err)
{
    struct overlay *overlay = calloc(1, sizeof(*overlay));
    struct statfs fs;

    if (overlay == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    if (path_format(overlay->folder, err, "%s", folder) < 0 ||
        fs_folder_make_all(folder, 0700, err) < 0) {
        free(overlay);
        return -1;
    }
    fs.f_type = 0;
    overlay->nested = statfs(folder, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC;
    overlay->has_projects = fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC;
    overlay->has_overlay = kernel_has_overlay();
    overlay->index = parameter_exists("index");
    overlay->metacopy = parameter_exists("metacopy");
    overlay->redirect_dir = parameter_exists("redirect_dir");
    overlay->has_volatile = kernel_is_since(5, 10);
    *state = overlay;
    return 0;
}

static void overlay_close(void **state)
{
    free(*state);
    *state = NULL;
}

/* ---- places --------------------------------------------------------------------------- */

static int place(const struct overlay *overlay, uint64_t number, const char *below,
                 char path[PATH_SIZE], struct error *err)
{
    return layer_place(overlay->folder, number, below, path, err);
}

static int overlay_folder(void *state, uint64_t number, char path[PATH_SIZE], struct error *err)
{
    return place(state, number, "/fs", path, err);
}

/* What is seen at the top is the upper's own folder: it has to look like the parent's. */
static int look_like(const struct overlay *overlay, uint64_t parent, const char *path,
                     struct error *err)
{
    char below[PATH_SIZE];
    struct stat st;

    if (place(overlay, parent, "/fs", below, err) < 0)
        return -1;
    if (lstat(below, &st) < 0)
        return error_sys(err, errno, "stat %s", below);
    if (hook_platform_call("chown", err))
        return -1;
    if (chown(path, st.st_uid, st.st_gid) < 0 || chmod(path, st.st_mode & 07777) < 0)
        return error_sys(err, errno, "set owner and mode of %s", path);
    return 0;
}

/* The upper belongs to the container's root, as all that will be written there: the lower layers are
   id-mapped by who mounts them. */
static int give_to_root(const struct map *labels, const char *path, struct error *err)
{
    const char *uids = map_get(labels, SNAPSHOT_UIDS), *gids = map_get(labels, SNAPSHOT_GIDS);
    struct id_map users = { .count = 0 }, groups = { .count = 0 };
    uint32_t uid, gid;
    struct stat st;

    if (uids == NULL || gids == NULL)
        return 0;
    if (id_map_add(&users, SNAPSHOT_UIDS, uids, err) < 0 ||
        id_map_add(&groups, SNAPSHOT_GIDS, gids, err) < 0)
        return -1;
    if (lstat(path, &st) < 0)
        return error_sys(err, errno, "stat %s", path);
    if (!id_map_find(&users, st.st_uid, &uid) || !id_map_find(&groups, st.st_gid, &gid))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "the owner %u:%u of the root folder is not mapped", st.st_uid, st.st_gid);
    if (chown(path, uid, gid) < 0 || chmod(path, st.st_mode & 07777) < 0)
        return error_sys(err, errno, "set the owner of %s", path);
    return 0;
}

/* The project of one that a crash left goes before its folder, which names it. */
static int make_home(const struct overlay *overlay, const struct layer_new *layer, struct error *err)
{
    char path[PATH_SIZE];
    uint64_t most;

    if (quota_wanted(layer->labels, &most, err) < 0 ||
        place(overlay, layer->number, "", path, err) < 0)
        return -1;
    if (overlay->has_projects)
        quota_forget_folder(path);
    if (fs_remove_tree(path, err) < 0 || fs_folder_make(path, 0700, err) < 0)
        return -1;
    return most > 0 ? quota_limit_folder(path, layer->number, most, err) : 0;
}

static int overlay_prepare(void *state, const struct layer_new *layer, struct error *err)
{
    char path[PATH_SIZE];

    if (make_home(state, layer, err) < 0 || place(state, layer->number, WORK, path, err) < 0 ||
        fs_folder_make(path, 0700, err) < 0 || place(state, layer->number, "/fs", path, err) < 0 ||
        fs_folder_make(path, 0755, err) < 0)
        return -1;
    if (layer->parent != 0 && look_like(state, layer->parent, path, err) < 0)
        return -1;
    return layer->read_only ? 0 : give_to_root(layer->labels, path, err);
}

static int overlay_tidy(void *state, uint64_t number, struct error *err)
{
    char path[PATH_SIZE];

    if (place(state, number, "/work", path, err) < 0)
        return -1;
    return fs_remove_tree(path, err);
}

static int overlay_remove(void *state, uint64_t number, const char *away, struct error *err)
{
    const struct overlay *overlay = state;
    char path[PATH_SIZE];

    if (overlay->has_projects && place(overlay, number, "", path, err) == 0)
        quota_forget_folder(path);
    return layer_put_away(overlay->folder, number, away, err);
}

static int overlay_each(void *state, int (*each)(void *ctx, uint64_t number, struct error *err),
                        void *ctx, struct error *err)
{
    const struct overlay *overlay = state;

    return layer_each(overlay->folder, each, ctx, err);
}

static int overlay_sync(void *state, uint64_t number, struct error *err)
{
    char path[PATH_SIZE];

    return place(state, number, "/fs", path, err) < 0 ? -1 : fs_sync_all(path, err);
}

static int overlay_usage(void *state, uint64_t number, uint64_t parent, uint64_t *size,
                         uint64_t *inodes, struct error *err)
{
    char path[PATH_SIZE];

    (void)parent;
    if (place(state, number, "/fs", path, err) < 0)
        return -1;
    return fs_usage(path, NULL, size, inodes, err);
}

/* ---- mounts ---------------------------------------------------------------------------- */

static int add_bind(struct overlay *overlay, uint64_t number, bool read_only, struct list *mounts,
                    struct arena *arena, struct error *err)
{
    char path[PATH_SIZE];

    if (place(overlay, number, "/fs", path, err) < 0)
        return -1;
    layer_add_bind(mounts, path, read_only, arena);
    return 0;
}

/* A comma would end the option, a colon the name: the kernel takes both behind a backslash. */
static void add_escaped(struct buffer *text, const char *path)
{
    for (; *path != '\0'; path++) {
        if (strchr(",:\\", *path) != NULL)
            buffer_add(text, "\\", 1);
        buffer_add(text, path, 1);
    }
}

static const char *taken(struct buffer *text, struct arena *arena)
{
    const char *copy;

    buffer_add(text, "", 1);
    copy = arena_str(arena, text->data);
    buffer_free(text);
    return copy;
}

static int path_option(struct overlay *overlay, const char *name, uint64_t number,
                       const char *below, const char **option, struct arena *arena,
                       struct error *err)
{
    struct buffer text = { 0 };
    char path[PATH_SIZE];

    if (place(overlay, number, below, path, err) < 0)
        return -1;
    buffer_add(&text, name, strlen(name));
    add_escaped(&text, path);
    *option = taken(&text, arena);
    return 0;
}

static int lower_option(struct overlay *overlay, const struct layer_stack *stack,
                        const char **option, struct arena *arena, struct error *err)
{
    struct buffer text = { 0 };
    char path[PATH_SIZE];

    buffer_add(&text, "lowerdir=", strlen("lowerdir="));
    for (size_t i = 0; i < stack->parent_count; i++) {
        if (place(overlay, stack->parents[i], "/fs", path, err) < 0) {
            buffer_free(&text);
            return -1;
        }
        if (i > 0)
            buffer_add(&text, ":", 1);
        add_escaped(&text, path);
    }
    *option = taken(&text, arena);
    return 0;
}

/* Off, whatever the kernel's build says: a layer has to mean the same when it is mounted on
   other parents or on another machine. */
static size_t add_switches(const struct overlay *overlay, const char **options, size_t count)
{
    if (overlay->index)
        options[count++] = "index=off";
    if (layer_marks()->option != NULL) {
        options[count++] = layer_marks()->option; /* which switches the others off itself */
        return count;
    }
    if (overlay->metacopy)
        options[count++] = "metacopy=off";
    if (overlay->redirect_dir)
        options[count++] = "redirect_dir=off";
    return count;
}

/* The kernel leaves a folder in its work folder, so that what a crash may have spoiled is not mounted
   once more.  What is volatile goes with its container, or was said to be of no such value. */
static int forget_crash(const struct overlay *overlay, uint64_t number, struct error *err)
{
    char path[PATH_SIZE];

    if (place(overlay, number, WORK WORK "/incompat/volatile", path, err) < 0)
        return -1;
    return fs_exists(path) ? fs_remove_tree(path, err) : 0;
}

static int add_overlay(struct overlay *overlay, const struct layer_stack *stack,
                       struct list *mounts, struct arena *arena, struct error *err)
{
    const char **options = arena_alloc(arena, 7 * sizeof(*options));
    struct mount mount = { .type = "overlay", .source = "overlay" };
    size_t count = add_switches(overlay, options, 0);

    if (!stack->read_only && (path_option(overlay, "workdir=", stack->number, "/work",
                                          &options[count++], arena, err) < 0 ||
                              path_option(overlay, "upperdir=", stack->number, "/fs",
                                          &options[count++], arena, err) < 0))
        return -1;
    if (lower_option(overlay, stack, &options[count++], arena, err) < 0)
        return -1;
    if (stack->is_volatile && !stack->read_only && overlay->has_volatile) {
        if (forget_crash(overlay, stack->number, err) < 0)
            return -1;
        options[count++] = "volatile";
    }
    mount.options = (struct strs){ count, options };
    layer_add_mount(mounts, &mount, arena);
    return 0;
}

static int check_support(const struct overlay *overlay, const struct layer_stack *stack,
                         struct error *err)
{
    if (!overlay->has_overlay)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "overlay: this kernel has no overlay file system");
    if (overlay->nested && !stack->read_only) {
        error_set(err, ERROR_FAILED_PRECONDITION,
                  "overlay: %s lies on an overlay file system itself, which cannot carry another",
                  overlay->folder);
        return error_hint(err, "put root on a disk's file system");
    }
    return 0;
}

/* One layer alone needs no overlay: it is bound. */
static int overlay_mounts(void *state, const struct layer_stack *stack, struct list *mounts,
                          struct arena *arena, struct error *err)
{
    struct overlay *overlay = state;

    if (stack->parent_count > PARENTS_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "overlay: %zu layers, at most %d go",
                         stack->parent_count, PARENTS_MAX);
    if (stack->parent_count == 0)
        return add_bind(overlay, stack->number, stack->read_only, mounts, arena, err);
    if (stack->parent_count == 1 && stack->read_only)
        return add_bind(overlay, stack->parents[0], true, mounts, arena, err);
    if (check_support(overlay, stack, err) < 0)
        return -1;
    return add_overlay(overlay, stack, mounts, arena, err);
}

const struct snapshotter overlay_snapshotter = {
    .name = "overlay",
    .parents_max = PARENTS_MAX,
    .open = overlay_open,
    .close = overlay_close,
    .prepare = overlay_prepare,
    .mounts = overlay_mounts,
    .folder = overlay_folder,
    .tidy = overlay_tidy,
    .remove = overlay_remove,
    .each_layer = overlay_each,
    .sync = overlay_sync,
    .usage = overlay_usage,
};
