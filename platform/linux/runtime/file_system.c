/*
 * file_system — a new file system as a detached mount.
 *
 * fsopen(2) takes the words of a mount one by one, so the error names the word.  It takes no
 * value of 256 bytes or more; those (the layers of an overlay) go by mount(2), see mounts.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "platform/linux/runtime/rootfs_parts.h"

/* The file system's own words about the failure ("e overlay: ..."), when it has any. */
static int context_error(int context, const char *what, struct error *err)
{
    char said[160];
    int os = errno;
    ssize_t size = read(context, said, sizeof(said) - 1);

    if (size <= 2)
        return error_sys(err, os, "%s", what);
    said[size] = '\0';
    said[strcspn(said, "\n")] = '\0';
    return error_sys(err, os, "%s: %s", what, said + 2);
}

static int word_give(int context, const char *key, const char *value, struct error *err)
{
    char what[128];
    int status = value != NULL ? fsconfig(context, FSCONFIG_SET_STRING, key, value, 0)
                               : fsconfig(context, FSCONFIG_SET_FLAG, key, NULL, 0);

    if (status == 0)
        return 0;
    snprintf(what, sizeof(what), "option %.60s%s%.60s", key, value != NULL ? "=" : "",
             value != NULL ? value : "");
    return context_error(context, what, err);
}

static int words_give(int context, const struct mount_want *want, struct error *err)
{
    if (want->source != NULL && word_give(context, "source", want->source, err) < 0)
        return -1;
    /* read-only below, too: a disk may not be writable.  A tmpfs still has to be filled. */
    if (want->options.own.set & MOUNT_ATTR_RDONLY && strcmp(want->type, "tmpfs") != 0 &&
        word_give(context, "ro", NULL, err) < 0)
        return -1;
    for (size_t i = 0; i < want->options.data_count; i++) {
        const struct mount_word *word = &want->options.data[i];

        if (word_give(context, word->key, word->value, err) < 0)
            return -1;
    }
    return 0;
}

static int mode_give(int context, const struct mount_want *want, mode_t mode, struct error *err)
{
    char text[16];

    if (mode == 0 || mount_data(&want->options, "mode") != NULL)
        return 0;
    snprintf(text, sizeof(text), "%04o", mode & 07777u);
    return word_give(context, "mode", text, err);
}

/* proc and sysfs take no context, and mqueue has one of its own. */
static int label_give(int context, const struct mount_want *want, const char *label,
                      struct error *err)
{
    if (label == NULL || strcmp(want->type, "proc") == 0 || strcmp(want->type, "sysfs") == 0 ||
        strcmp(want->type, "mqueue") == 0)
        return 0;
    return word_give(context, "context", label, err);
}

/* What is recursive says the same of a mount with nothing below it. */
static unsigned attributes_of(const struct mount_options *options)
{
    uint64_t own = options->own.set & ~(options->all.clear | options->all.set);

    return (unsigned)(own | options->all.set);
}

static int tree_make(int context, const struct mount_want *want, struct error *err)
{
    int tree;

    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return context_error(context, want->type, err);
    tree = fsmount(context, FSMOUNT_CLOEXEC, attributes_of(&want->options));
    return tree < 0 ? context_error(context, want->type, err) : tree;
}

int file_system_make(const struct rootfs *rootfs, const struct mount_want *want, mode_t mode,
                     struct error *err)
{
    CLEANUP(fd_drop) int context = fsopen(want->type, FSOPEN_CLOEXEC);

    if (context < 0 && errno == ENODEV)
        return error_sys(err, ENODEV, "file system %s", want->type);
    if (context < 0)
        return error_sys(err, errno, "%s", want->type);
    if (words_give(context, want, err) < 0 || mode_give(context, want, mode, err) < 0 ||
        label_give(context, want, rootfs->label, err) < 0)
        return -1;
    return tree_make(context, want, err);
}
