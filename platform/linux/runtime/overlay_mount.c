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

static int path_open(struct opened *opened, const char *path, struct error *err)
{
    int *more = realloc(opened->descriptors, (opened->count + 1) * sizeof(*more));

    if (more == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    opened->descriptors = more;
    more[opened->count] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (more[opened->count] < 0)
        return error_sys(err, errno, "open layer %s", path);
    return more[opened->count++];
}

/* "upperdir=" and its like: what each path of the list is called in /proc/self/fd. */
static int value_open(struct mount_word *word, struct opened *opened, struct arena *arena,
                      struct error *err)
{
    CLEANUP(buffer_free) struct buffer numbers = { 0 };
    const char *rest = word->value, *path;
    char number[16];

    while ((path = overlay_next_path(&rest, arena)) != NULL) {
        int found = path_open(opened, path, err);

        if (found < 0)
            return -1;
        snprintf(number, sizeof(number), "%s%d", numbers.size > 0 ? ":" : "", found);
        buffer_add(&numbers, number, strlen(number));
    }
    buffer_add(&numbers, "", 1);
    word->value = arena_str(arena, numbers.data);
    return 0;
}

static bool is_folder(const struct mount_word *word)
{
    return word->value != NULL &&
           (strcmp(word->key, "lowerdir") == 0 || strcmp(word->key, "upperdir") == 0 ||
            strcmp(word->key, "workdir") == 0);
}

static int by_descriptors(struct mount_want *want, const char *path, struct arena *arena,
                          struct error *err)
{
    CLEANUP(opened_close) struct opened opened = { 0 };

    for (size_t i = 0; i < want->options.data_count; i++)
        if (is_folder(&want->options.data[i]) &&
            value_open(&want->options.data[i], &opened, arena, err) < 0)
            return -1;
    if (chdir("/proc/self/fd") < 0)
        return error_sys(err, errno, "enter /proc/self/fd");
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
