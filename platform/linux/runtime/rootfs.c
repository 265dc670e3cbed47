/* See rootfs.h. */
#include "platform/linux/runtime/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "platform/linux/runtime/rootfs_parts.h"

/* ---- reading ---------------------------------------------------------------------- */

static int root_read(struct rootfs *rootfs, struct error *err)
{
    struct place root = place_member(rootfs->want.document, "root");
    const char *path;

    if (place_needs(rootfs->want.document, "root", err) < 0 ||
        place_needs(&root, "path", err) < 0 || place_text(&root, "path", &path, err) < 0 ||
        place_bool(&root, "readonly", &rootfs->read_only, NULL, err) < 0)
        return -1;
    rootfs->path =
        path[0] == '/' ? path : arena_printf(rootfs->arena, "%s/%s", rootfs->want.bundle, path);
    return 0;
}

static int root_check(const struct rootfs *rootfs, struct error *err)
{
    struct stat st;

    if (stat(rootfs->path, &st) < 0)
        return errno == ENOENT
                   ? error_set(err, ERROR_NOT_FOUND, "rootfs (%s) does not exist", rootfs->path)
                   : error_sys(err, errno, "rootfs (%s)", rootfs->path);
    return S_ISDIR(st.st_mode) ? 0 : error_sys(err, ENOTDIR, "rootfs (%s)", rootfs->path);
}

static int propagation_read(struct rootfs *rootfs, const struct place *linux_, struct error *err)
{
    struct place place = place_member(linux_, "rootfsPropagation");
    const char *word;

    if (place_text(linux_, "rootfsPropagation", &word, err) < 0)
        return -1;
    if (word == NULL || word[0] == '\0')
        return 0;
    rootfs->propagation = mount_propagation_of(word);
    if (rootfs->propagation.kind != 0)
        return 0;
    return place_failure(&place, err, "is \"%.40s\", must be shared, slave, private or unbindable",
                       word);
}

static int label_read(struct rootfs *rootfs, const struct place *linux_, struct error *err)
{
    struct place place = place_member(linux_, "mountLabel");

    if (place_text(linux_, "mountLabel", &rootfs->label, err) < 0)
        return -1;
    if (rootfs->label == NULL || rootfs->label[0] == '\0') {
        rootfs->label = NULL;
        return 0;
    }
    if (access("/sys/fs/selinux/enforce", F_OK) == 0)
        return 0;
    return place_failure(&place, err, "is set, but the kernel runs without SELinux");
}

static int paths_read(const struct place *linux_, const char *key, struct strs *paths,
                      struct arena *arena, struct error *err)
{
    struct place list = place_member(linux_, key);

    if (place_texts(linux_, key, paths, arena, err) < 0)
        return -1;
    for (size_t i = 0; i < paths->count; i++) {
        struct place place = place_element(&list, i);

        if (paths->items[i][0] != '/')
            return place_failure(&place, err, "is \"%.100s\", must be absolute", paths->items[i]);
    }
    return 0;
}

static int document_read(struct rootfs *rootfs, struct error *err)
{
    struct place linux_ = place_member(rootfs->want.document, "linux");

    if (root_read(rootfs, err) < 0 || propagation_read(rootfs, &linux_, err) < 0 ||
        label_read(rootfs, &linux_, err) < 0 ||
        paths_read(&linux_, "maskedPaths", &rootfs->masked, rootfs->arena, err) < 0 ||
        paths_read(&linux_, "readonlyPaths", &rootfs->sealed, rootfs->arena, err) < 0 ||
        mounts_read(rootfs, err) < 0 || devices_read(rootfs, err) < 0)
        return -1;
    if (!rootfs->want.new_mount && rootfs->masked.count + rootfs->sealed.count > 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "unable to restrict sys entries without a private MNT namespace");
    return 0;
}

struct rootfs *rootfs_read(const struct rootfs_want *want, struct error *err)
{
    struct rootfs *rootfs = calloc(1, sizeof(*rootfs));

    if (rootfs == NULL) {
        error_sys(err, ENOMEM, "root file system");
        return NULL;
    }
    rootfs->want = *want;
    rootfs->arena = arena_new();
    rootfs->root = rootfs->null = -1;
    if (document_read(rootfs, err) < 0)
        rootfs_free(&rootfs);
    return rootfs;
}

struct rootfs *rootfs_new(const struct rootfs_want *want, struct error *err)
{
    struct rootfs *rootfs = rootfs_read(want, err);

    if (rootfs != NULL && (root_check(rootfs, err) < 0 || sources_open(rootfs, err) < 0))
        rootfs_free(&rootfs);
    return rootfs;
}

void rootfs_free(struct rootfs **rootfs)
{
    struct rootfs *old = *rootfs;

    if (old == NULL)
        return;
    for (size_t i = 0; i < old->mount_count; i++) {
        fd_drop(&old->mounts[i].tree);
        fd_drop(&old->mounts[i].read_only);
    }
    fd_drop(&old->root);
    fd_drop(&old->null);
    arena_free(old->arena);
    free(old);
    *rootfs = NULL;
}

/* ---- in the container's first process --------------------------------------------- */

/* What the host mounts later may arrive (slave); what is mounted here never leaves.  So nothing
   below can be shared, which pivot_root(2) asks for, and no parent has to be searched. */
static int namespace_part(const struct rootfs *rootfs, struct error *err)
{
    struct mount_attr attr = { .propagation = root_kind(rootfs) };

    if (!rootfs->want.new_mount)
        return 0;
    if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
        return error_sys(err, errno, "part from the host's mounts");
    return 0;
}

/* As with sources of mounts: ours, in this namespace; the runtime's when we cannot get there. */
static int root_open(struct rootfs *rootfs, struct error *err)
{
    int tree = tree_copy(rootfs->path, true);

    if (tree < 0 && (rootfs->root < 0 || errno == ENOENT))
        return error_sys(err, errno, "rootfs (%s)", rootfs->path);
    if (tree < 0)
        return 0;
    fd_drop(&rootfs->root);
    rootfs->root = tree;
    return 0;
}

/* On its own path, hooks look for it there; on "/" when that path is out of reach. */
static int root_attach(struct rootfs *rootfs, struct error *err)
{
    const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS;

    if (root_open(rootfs, err) < 0)
        return -1;
    if (move_mount(rootfs->root, "", AT_FDCWD, rootfs->path, flags) == 0)
        return 0;
    if (errno == EACCES && rootfs->want.new_mount &&
        move_mount(rootfs->root, "", AT_FDCWD, "/", flags) == 0)
        return 0;
    return error_sys(err, errno, "mount rootfs (%s)", rootfs->path);
}

static int tree_fill(struct rootfs *rootfs, struct error *err)
{
    mode_t before = umask(0);
    int status = mounts_attach(rootfs, err) < 0 ? -1 : devices_make(rootfs, err);

    umask(before);
    return status;
}

int rootfs_mount(struct rootfs *rootfs, struct error *err)
{
    if (namespace_part(rootfs, err) < 0 || root_attach(rootfs, err) < 0 ||
        tree_fill(rootfs, err) < 0)
        return -1;
    return masks_open(rootfs, err);
}

static int read_only_make(int folder, const char *path, struct error *err)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

    if (mount_setattr(folder, path, AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return error_sys(err, errno, "make read-only");
    return 0;
}

int rootfs_seal(struct rootfs *rootfs, struct error *err)
{
    for (size_t i = 0; i < rootfs->mount_count; i++)
        if (rootfs->mounts[i].read_only >= 0 &&
            read_only_make(rootfs->mounts[i].read_only, "", err) < 0)
            return error_wrap(err, "mounts[%zu] (%s)", i, rootfs->mounts[i].destination);
    if (rootfs->read_only && read_only_make(AT_FDCWD, "/", err) < 0)
        return error_wrap(err, "root.readonly");
    return paths_seal(rootfs, err) < 0 ? -1 : masks_apply(rootfs, err);
}
