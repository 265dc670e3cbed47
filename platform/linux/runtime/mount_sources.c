/*
 * mount_sources — what is bound: a copy of a mount, detached, with its attributes.
 *
 * A source is opened by the first process, in its own mount namespace, unless
 *   - there is a user namespace: the first process may not be able to reach the source, and
 *     what it clones of the host's mounts is locked together (mount_namespaces(7));
 *   - it is to be idmapped, which takes rights over the file system;
 *   - mounts are to spread to the host: the first process has left the host's peer groups.
 * Then the runtime opens it.  If it may not clone mounts (a plain user's runtime), the first
 * process has to try after all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "platform/linux/runtime/rootfs_parts.h"

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

int propagation_apply(int tree, const struct mount_options *options, struct error *err)
{
    static const struct mount_change none;

    for (size_t i = 0; i < options->propagation_count; i++)
        if (change_apply(tree, &none, options->propagation[i].recursive,
                         options->propagation[i].kind, err) < 0)
            return -1;
    return 0;
}

int attributes_apply(int tree, const struct mount_options *options, struct error *err)
{
    if (change_apply(tree, &options->all, true, 0, err) < 0 ||
        change_apply(tree, &options->own, false, 0, err) < 0)
        return -1;
    return propagation_apply(tree, options, err);
}

static int source_open(const char *source, bool all, struct error *err)
{
    int tree = open_tree(AT_FDCWD, source,
                         OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (all ? AT_RECURSIVE : 0u));

    return tree < 0 ? error_sys(err, errno, "source %s", source) : tree;
}

int source_bind(const struct rootfs *rootfs UNUSED, const struct mount_want *want,
                struct error *err)
{
    int tree = source_open(want->source, want->options.bind_all, err);

    if (tree >= 0 && attributes_apply(tree, &want->options, err) < 0) {
        close(tree);
        return -1;
    }
    return tree;
}

int sources_open(struct rootfs *rootfs UNUSED, struct error *err UNUSED)
{
    return 0;
}
