/*
 * mount_sources — what is bound: a copy of a mount, detached, with its attributes.
 *
 * The first process opens a source in its own mount namespace, where the mounts have been
 * parted from the host's.  The runtime opens it ahead
 *   - when it is to be idmapped, which takes rights over the file system;
 *   - when mounts are to spread to the host (rootfsPropagation): the first process has left
 *     the host's peer groups;
 *   - in case of a user namespace, for what the first process then cannot reach.  It does try
 *     first: in its namespace the host's ro, nosuid and so on are locked to their mounts
 *     (mount_namespaces(7)), and the container's root cannot take them off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "platform/linux/runtime/rootfs_parts.h"

/* ---- attributes ------------------------------------------------------------------- */

static int change_apply(int tree, const struct mount_change *change, bool all,
                        unsigned long propagation, struct error *err)
{
    struct mount_attr attr = { .attr_set = change->set,
                               .attr_clr = change->clear,
                               .propagation = propagation };
    unsigned flags = AT_EMPTY_PATH | (all ? AT_RECURSIVE : 0u);

    if ((attr.attr_set | attr.attr_clr | attr.propagation) == 0)
        return 0;
    if (mount_setattr(tree, "", flags, &attr, sizeof(attr)) == 0)
        return 0;
    if (errno == EPERM && attr.attr_clr != 0)
        return error_sys(err, EPERM, "set attributes (one that is to be cleared may be locked)");
    return error_sys(err, errno, propagation != 0 ? "set propagation" : "set attributes");
}

static int spread_apply(int tree, unsigned long kind, bool all, struct error *err)
{
    static const struct mount_change none;

    return change_apply(tree, &none, all, kind, err);
}

int propagation_apply(int tree, const struct mount_options *options, struct error *err)
{
    for (size_t i = 0; i < options->propagation_count; i++)
        if (spread_apply(tree, options->propagation[i].kind, options->propagation[i].recursive,
                         err) < 0)
            return -1;
    return 0;
}

/* Only what is said changes: a bind of a nosuid mount stays nosuid.  So in a user namespace,
   too, "ro" can be added to what is locked. */
int attributes_apply(int tree, const struct mount_options *options, struct error *err)
{
    if (change_apply(tree, &options->all, true, 0, err) < 0 ||
        change_apply(tree, &options->own, false, 0, err) < 0)
        return -1;
    return propagation_apply(tree, options, err);
}

/* ---- in the first process --------------------------------------------------------- */

int tree_copy(const char *source, bool all)
{
    return open_tree(AT_FDCWD, source,
                     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (all ? AT_RECURSIVE : 0u));
}

int source_bind(struct mount_want *want, struct error *err)
{
    int tree = want->is_ahead ? -1 : tree_copy(want->source, want->options.bind_all);

    if (tree < 0 && want->tree >= 0) { /* complete */
        tree = want->tree;
        want->tree = -1;
        return tree;
    }
    if (tree < 0)
        return error_sys(err, errno, "source %s", want->source);
    if (attributes_apply(tree, &want->options, err) == 0)
        return tree;
    close(tree);
    return -1;
}

/* ---- in the runtime --------------------------------------------------------------- */

static bool spreads_to_host(const struct rootfs *rootfs)
{
    /* a namespace with fewer rights must not mount things into one with more */
    return rootfs->propagation.kind == MS_SHARED && rootfs->want.new_mount &&
           !rootfs->want.new_user;
}

unsigned long root_kind(const struct rootfs *rootfs)
{
    unsigned long kind = rootfs->propagation.kind;

    return kind == MS_PRIVATE || kind == MS_UNBINDABLE ? MS_PRIVATE : MS_SLAVE;
}

static int tree_complete(const struct rootfs *rootfs, const struct mount_want *want, int tree,
                         int namespace, struct error *err)
{
    if (want->options.idmap && idmap_apply(tree, namespace, want->options.idmap_all, err) < 0)
        return -1;
    if (rootfs->want.new_mount && !spreads_to_host(rootfs) &&
        spread_apply(tree, root_kind(rootfs), true, err) < 0)
        return -1;
    return attributes_apply(tree, &want->options, err);
}

static int source_ahead(struct rootfs *rootfs, struct mount_want *want, int namespace,
                        struct error *err)
{
    int tree = tree_copy(want->source, want->options.bind_all);

    /* a plain user's runtime may not: the first process has to, and says what is wrong */
    if (tree < 0 && !want->options.idmap)
        return 0;
    if (tree < 0)
        return error_sys(err, errno, "source %s", want->source);
    if (tree_complete(rootfs, want, tree, namespace, err) < 0) {
        close(tree);
        return -1;
    }
    want->tree = tree;
    want->is_ahead = want->options.idmap || spreads_to_host(rootfs);
    return 0;
}

static int idmapped_ahead(struct rootfs *rootfs, const struct place *place, struct mount_want *want,
                          struct error *err)
{
    struct place linux_ = place_member(rootfs->want.document, "linux");
    CLEANUP(idmap_free) struct idmap map = { { 0 }, { 0 } };
    CLEANUP(fd_drop) int namespace = -1;

    if (idmap_read(place, &linux_, want->options.mapping, &map, err) < 0)
        return -1;
    namespace = idmap_open(&map, err);
    if (namespace < 0 || source_ahead(rootfs, want, namespace, err) < 0)
        return error_wrap(err, "mounts[%zu] (%s)", place->index, want->destination);
    return 0;
}

int sources_open(struct rootfs *rootfs, struct error *err)
{
    struct place list = place_member(rootfs->want.document, "mounts");

    if (rootfs->want.new_user && rootfs->want.new_mount)
        rootfs->root = tree_copy(rootfs->path, true);
    if (rootfs->root >= 0 && spread_apply(rootfs->root, root_kind(rootfs), true, err) < 0)
        return -1;
    for (size_t i = 0; i < rootfs->mount_count; i++) {
        struct mount_want *want = &rootfs->mounts[i];
        struct place place = place_element(&list, i);

        if (!want->is_bind || want->options.remount)
            continue;
        if (want->options.idmap && idmapped_ahead(rootfs, &place, want, err) < 0)
            return -1;
        if (!want->options.idmap && (rootfs->want.new_user || spreads_to_host(rootfs)) &&
            source_ahead(rootfs, want, -1, err) < 0)
            return error_wrap(err, "mounts[%zu] (%s)", i, want->destination);
    }
    return 0;
}
