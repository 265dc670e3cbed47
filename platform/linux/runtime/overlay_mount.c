/*
 * overlay_mount — an overlay of more layers than fit into a page of options.
 *
 * mount(2) takes one page.  Layers lie side by side in the snapshots folder, so from inside that folder
 * their names are a few bytes each.  Where that is too long as well, Linux 6.8 takes lower folders
 * one by one; and every kernel takes them by descriptors, whose numbers are short whatever the
 * layers' are: 500 of them, the most that an overlay has, need 2,000 bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "platform/linux/runtime/rootfs_parts.h"

/* No label, no mode of its own. */
static const struct rootfs plain;

/* ---- short names -------------------------------------------------------------- */

/* Length of the folder in which all lie; 0: none, or not one that can be cut off. */
static size_t common_folder(const char *lower)
{
    size_t common = 0;

    for (const char *at = lower; lower[0] == '/' && at != NULL; at = strchr(at, ':')) {
        size_t same = 0;

        at += *at == ':';
        if (at == lower) {
            common = strcspn(lower, ":");
            continue;
        }
        while (same < common && at[same] == lower[same])
            same++;
        common = same;
    }
    while (common > 0 && lower[common - 1] != '/')
        common--;
    return memchr(lower, '\\', common) != NULL ? 0 : common;
}

/* The value without the folder wherever a path begins with it. */
static const char *shortened(const char *value, const char *folder, size_t length,
                             struct arena *arena)
{
    char *copy = arena_str(arena, value), *to = copy;

    for (const char *from = value; *from != '\0';) {
        bool is_start = from == value || from[-1] == ':';

        if (is_start && strncmp(from, folder, length) == 0)
            from += length;
        else
            *to++ = *from++;
    }
    *to = '\0';
    return copy;
}

/* 1: changed into the common folder, and all names are relative to it. */
static int layers_shorten(struct mount_options *options, struct arena *arena, struct error *err)
{
    const char *lower = mount_data(options, "lowerdir"), *folder;
    size_t common = lower != NULL ? common_folder(lower) : 0;

    if (common == 0)
        return 0;
    folder = arena_printf(arena, "%.*s", (int)common, lower);
    for (size_t i = 0; i < options->data_count; i++)
        if (options->data[i].value != NULL)
            options->data[i].value = shortened(options->data[i].value, folder, common, arena);
    return chdir(folder) < 0 ? error_sys(err, errno, "folder of layers %s", folder) : 1;
}

/* ---- descriptors ---------------------------------------------------------------- */

/* Behind the path: at a colon without a backslash, or at the end. */
static const char *path_end(const char *path)
{
    for (; *path != '\0' && *path != ':'; path++)
        if (*path == '\\' && path[1] != '\0')
            path++;
    return path;
}

char *overlay_next_path(const char **list, struct arena *arena)
{
    const char *from = *list, *end = path_end(from);
    char *path = arena_alloc(arena, (size_t)(end - from) + 1), *to = path;

    if (*from == '\0')
        return NULL;
    while (from < end) {
        from += *from == '\\' && from + 1 < end;
        *to++ = *from++;
    }
    *list = end + (*end == ':');
    return path;
}

struct opened {
    int *descriptors;
    size_t count;
};

static void opened_close(struct opened *opened)
{
    for (size_t i = 0; i < opened->count; i++)
        close(opened->descriptors[i]);
    free(opened->descriptors);
}

static int path_open(struct opened *opened, int from, const char *path, struct error *err)
{
    int *more = realloc(opened->descriptors, (opened->count + 1) * sizeof(*more));

    if (more == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    opened->descriptors = more;
    more[opened->count] = openat(from, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (more[opened->count] < 0)
        return error_sys(err, errno, "open layer %s", path);
    return more[opened->count++];
}

/* Where an absolute path is to be found: `skip` bytes of it lead to the folder `from`. */
struct origin {
    int from;
    size_t skip;
};

/* "upperdir=" and its like: what each path of the list is called in /proc/self/fd. */
static int value_open(struct mount_word *word, struct opened *opened, const struct origin *origin,
                      struct arena *arena, struct error *err)
{
    CLEANUP(buffer_free) struct buffer numbers = { 0 };
    const char *rest = word->value, *path;
    char number[16];

    while ((path = overlay_next_path(&rest, arena)) != NULL) {
        int found = path_open(opened, origin->from, path + origin->skip, err);

        if (found < 0)
            return -1;
        snprintf(number, sizeof(number), "%s%d", numbers.size > 0 ? ":" : "", found);
        buffer_add(&numbers, number, strlen(number));
    }
    buffer_add(&numbers, "", 1);
    word->value = arena_str(arena, numbers.data);
    return 0;
}

static bool is_lower(const struct mount_word *word)
{
    return word->value != NULL && strcmp(word->key, "lowerdir") == 0;
}

static bool is_upper(const struct mount_word *word)
{
    return word->value != NULL &&
           (strcmp(word->key, "upperdir") == 0 || strcmp(word->key, "workdir") == 0);
}

/* All folders by descriptors, the lower ones from `lower`. */
static int folders_open(struct mount_want *want, const struct origin *lower, struct opened *opened,
                        struct arena *arena, struct error *err)
{
    static const struct origin as_said = { AT_FDCWD, 0 };

    for (size_t i = 0; i < want->options.data_count; i++) {
        struct mount_word *word = &want->options.data[i];

        if ((is_lower(word) && value_open(word, opened, lower, arena, err) < 0) ||
            (is_upper(word) && value_open(word, opened, &as_said, arena, err) < 0))
            return -1;
    }
    return chdir("/proc/self/fd") < 0 ? error_sys(err, errno, "enter /proc/self/fd") : 0;
}

static int by_descriptors(struct mount_want *want, const char *path, struct arena *arena,
                          struct error *err)
{
    static const struct origin as_said = { AT_FDCWD, 0 };
    CLEANUP(opened_close) struct opened opened = { 0 };

    if (folders_open(want, &as_said, &opened, arena, err) < 0)
        return -1;
    return file_system_mount_at(&plain, want, 0, path) < 0
               ? error_sys(err, errno, "overlay of %zu folders", opened.count)
               : 0;
}

/* ---- one after the other --------------------------------------------------------- */

static int by_parts(const struct mount_want *want, int target)
{
    struct error ignored;
    int tree = file_system_make(&plain, want, 0, &ignored), status;

    if (tree < 0)
        return -1;
    status = mount_attach(tree, target);
    close(tree);
    return status;
}

int overlay_mount(struct mount_want *want, int target, const char *path, struct arena *arena,
                  struct error *err)
{
    int is_short = layers_shorten(&want->options, arena, err);

    if (is_short < 0)
        return -1;
    if (is_short && file_system_mount_at(&plain, want, 0, path) == 0)
        return 0;
    if (is_short && errno != E2BIG)
        return error_sys(err, errno, "overlay");
    return by_parts(want, target) == 0 ? 0 : by_descriptors(want, path, arena, err);
}

/* ---- id-mapped --------------------------------------------------------------------- */

static uint64_t mount_of(const char *path)
{
    struct statx found;

    return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_MNT_ID, &found) < 0 ? 0 : found.stx_mnt_id;
}

/* The folder that all lower ones lie in, on one mount.  It is only text that is cut off, so a name
   with a backslash has to be unescaped first. */
static int lower_home(const char *lower, struct arena *arena, const char **home, struct error *err)
{
    const char *rest = lower, *path;
    char *common = overlay_next_path(&rest, arena);
    size_t size = common != NULL && common[0] == '/' ? strlen(common) : 0;

    for (rest = lower; size > 0 && (path = overlay_next_path(&rest, arena)) != NULL;) {
        size_t same = 0;

        while (same < size && path[same] == common[same])
            same++;
        size = same;
    }
    while (size > 0 && common[size - 1] != '/')
        size--;
    if (size == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "uidmap: lowerdir= has to be absolute paths");
    common[size] = '\0';
    *home = common;
    for (rest = lower; (path = overlay_next_path(&rest, arena)) != NULL;)
        if (mount_of(path) != mount_of(common))
            return error_set(err, ERROR_FAILED_PRECONDITION,
                             "uidmap: the lower folders lie on several mounts");
    return 0;
}

/* A clone of the folder, in the place of the overlay: not every kernel takes layers of a mount that is
   nowhere. */
static int home_clone(const char *home, int target, int namespace, struct error *err)
{
    int clone = tree_copy(home, false);

    if (clone < 0)
        return error_sys(err, errno, "clone the mount of %s", home);
    if (idmap_apply(clone, namespace, false, err) == 0) {
        if (mount_attach(clone, target) == 0)
            return clone;
        error_sys(err, errno, "mount %s id-mapped", home);
    }
    close(clone);
    return error_wrap(err, "layers in %s for other users", home);
}

/* The overlay has mounts of its own of its layers: ours may go, unless an old kernel needs it to
   find the overlay's place. */
static int mapped_attach(const struct mount_want *want, int clone, int target, const char *path,
                         struct error *err)
{
    char of_clone[40];
    int tree = file_system_make(&plain, want, 0, err), status;

    if (tree < 0)
        return file_system_mount_at(&plain, want, 0, path) == 0
                   ? 0
                   : error_sys(err, errno, "overlay on id-mapped layers (Linux 5.19 has that)");
    snprintf(of_clone, sizeof(of_clone), "/proc/self/fd/%d", clone);
    umount2(of_clone, MNT_DETACH);
    status = mount_attach(tree, target) < 0 ? error_sys(err, errno, "overlay") : 0;
    close(tree);
    return status;
}

int overlay_mount_mapped(struct mount_want *want, int target, const char *path, int namespace,
                         struct arena *arena, struct error *err)
{
    CLEANUP(opened_close) struct opened opened = { 0 };
    CLEANUP(fd_drop) int clone = -1;
    const char *lower = mount_data(&want->options, "lowerdir"), *home = "";

    if (lower == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "uidmap: an overlay without lowerdir=");
    if (lower_home(lower, arena, &home, err) < 0)
        return -1;
    clone = home_clone(home, target, namespace, err);
    if (clone < 0 ||
        folders_open(want, &(struct origin){ clone, strlen(home) }, &opened, arena, err) < 0)
        return -1;
    return mapped_attach(want, clone, target, path, err);
}
