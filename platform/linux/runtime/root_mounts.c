/*
 * root_mounts — see root_mounts.h.  A mount may lie on the one before it, so the folder is opened
 * anew for each.
 */
#include "platform/linux/runtime/root_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/rootfs_parts.h"

#define TARGET_SIZE 40

/* What is mounted here is a file system as any other: no label, no mode of its own. */
static const struct rootfs plain;

static int tree_attach(int tree, int target, const char *what, struct error *err)
{
    int status = tree < 0 ? -1 : mount_attach(tree, target);

    if (tree >= 0 && status < 0)
        error_sys(err, errno, "%s", what);
    if (tree >= 0)
        close(tree);
    return status;
}

/* ---- one mount after the other ------------------------------------------------ */

/* Where in the root file system: found inside it, whatever links an image has put there. */
static int target_open(const char *folder, const char *target, struct error *err)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC,
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    int root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), found;

    if (root < 0)
        return error_sys(err, errno, "root file system's folder");
    if (target == NULL || target[0] == '\0')
        return root;
    found = (int)syscall(SYS_openat2, root, target, &how, sizeof(how));
    close(root);
    return found < 0 ? error_sys(err, errno, "%s in the root file system", target) : found;
}

/* For mount(2). */
static void target_path(int found, char path[TARGET_SIZE])
{
    snprintf(path, TARGET_SIZE, "/proc/self/fd/%d", found);
}

/* Words that ask a runtime for something of a container's mounts. */
static int options_read(const struct strs *words, struct mount_options *options,
                        struct arena *arena, struct error *err)
{
    if (mount_options_read(words, options, arena, err) < 0)
        return -1;
    if (options->remount || options->copy_up || options->idmap)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "option %s is not for the mounts of a root file system",
                         options->remount   ? "remount"
                         : options->copy_up ? "tmpcopyup"
                                            : "idmap");
    return 0;
}

/* The value of a word for us, which is a string of its own and may have commas; NULL: not said. */
static const char *word_take(struct strs *options, const char *name)
{
    const char *value = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < options->count; i++)
        if (strncmp(options->items[i], name, strlen(name)) == 0)
            value = options->items[i] + strlen(name);
        else
            options->items[kept++] = options->items[i];
    options->count = kept;
    return value;
}

/* Takes uidmap= and gidmap= away: *namespace is a user namespace that maps so; -1: nothing was said. */
static int mapping_open(struct strs *options, int *namespace, struct error *err)
{
    const char *uids = word_take(options, "uidmap="), *gids = word_take(options, "gidmap=");
    CLEANUP(idmap_free) struct idmap map = { { 0 }, { 0 } };

    *namespace = -1;
    if (uids == NULL && gids == NULL)
        return 0;
    if (uids == NULL || gids == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "one of uidmap and gidmap, needs both");
    if (idmap_words(uids, gids, &map, err) < 0)
        return -1;
    *namespace = idmap_open(&map, err);
    return *namespace < 0 ? -1 : 0;
}

static int bind_mount(struct mount_want *want, int target, int namespace, struct error *err)
{
    int tree;

    if (want->source == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "bind without a source");
    tree = source_bind(want, err);
    if (tree >= 0 && namespace >= 0 && idmap_apply(tree, namespace, false, err) < 0) {
        close(tree);
        return error_wrap(err, "%s", want->source);
    }
    return tree_attach(tree, target, want->source, err);
}

/* mount(2), and for who dislikes something fsopen(2), which says what. */
static int new_mount(struct mount_want *want, int target, int namespace, struct arena *arena,
                     struct error *err)
{
    char path[TARGET_SIZE];

    target_path(target, path);
    if (namespace >= 0 && strcmp(want->type, "overlay") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "uidmap is for binds and overlays");
    if (namespace >= 0)
        return overlay_mount_mapped(want, target, path, namespace, arena, err);
    if (file_system_mount_at(&plain, want, 0, path) == 0)
        return 0;
    if (errno == E2BIG && strcmp(want->type, "overlay") == 0)
        return overlay_mount(want, target, path, arena, err);
    return tree_attach(file_system_make(&plain, want, 0, err), target, want->type, err);
}

/* Is this one of the words?  It is taken away: no file system knows it. */
static bool word_is_said(struct strs *options, const char *word)
{
    size_t kept = 0;
    bool found = false;

    for (size_t i = 0; i < options->count; i++) {
        if (strcmp(options->items[i], word) == 0)
            found = true;
        else
            options->items[kept++] = options->items[i];
    }
    options->count = kept;
    return found;
}

/* A file system in a file: `loop` of mount(8).  *device is kept until it is mounted. */
static int device_make(struct mount_want *want, bool direct, char path[LOOP_PATH_SIZE], int *device,
                       struct error *err)
{
    bool read_only = (want->options.own.set & MOUNT_ATTR_RDONLY) != 0;

    if (want->source == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "loop without a source");
    *device = loop_device_open(want->source, read_only, direct, path, err);
    want->source = path;
    return *device < 0 ? -1 : 0;
}

static int spread(const char *folder, const struct mount *asked, const struct mount_options *options,
                  struct error *err)
{
    CLEANUP(fd_drop) int mounted = -1;

    if (options->propagation_count == 0)
        return 0;
    mounted = target_open(folder, asked->target, err);
    return mounted < 0 ? -1 : propagation_apply(mounted, options, err);
}

static int mount_at(const char *folder, const struct mount *asked, int target, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    CLEANUP(fd_drop) int namespace = -1;
    CLEANUP(fd_drop) int device = -1;
    char device_path[LOOP_PATH_SIZE];
    struct strs words = asked->options;
    bool loops, direct;
    struct mount_want want = { .type = asked->type, .source = asked->source, .tree = -1 };

    if (words.count > 0)
        words.items = arena_copy(arena, words.items, words.count * sizeof(*words.items));
    if (fuse_is(asked->type))
        return fuse_mount(asked->type, asked->source, &words, target, arena, err);
    loops = word_is_said(&words, "loop");
    direct = loops && word_is_said(&words, "direct-io");
    if (mapping_open(&words, &namespace, err) < 0 ||
        options_read(&words, &want.options, arena, err) < 0)
        return -1;
    if (loops && device_make(&want, direct, device_path, &device, err) < 0)
        return -1;
    if (want.options.bind || strcmp(asked->type, "bind") == 0)
        return bind_mount(&want, target, namespace, err);
    if (new_mount(&want, target, namespace, arena, err) < 0)
        return -1;
    return spread(folder, asked, &want.options, err);
}

static int mount_one(const char *folder, const struct mount *asked, struct error *err)
{
    CLEANUP(fd_drop) int target = target_open(folder, asked->target, err);

    if (target < 0 || mount_at(folder, asked, target, err) == 0)
        return target < 0 ? -1 : 0;
    return error_wrap(err, "mount %.60s", asked->source != NULL ? asked->source : asked->type);
}

int root_mounts_make(const char *folder, const struct list *mounts, struct error *err)
{
    const struct mount *items = mounts->items;
    int home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), status = 0;

    if (home < 0)
        return error_sys(err, errno, "current folder");
    for (size_t i = 0; status == 0 && i < mounts->count; i++) {
        status = mount_one(folder, &items[i], err);
        if (fchdir(home) < 0 && status == 0)
            status = error_sys(err, errno, "current folder");
    }
    close(home);
    return status;
}
