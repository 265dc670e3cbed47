/*
 * file_system — a new file system, mounted.
 *
 * mount(2) does it in one call and half the time that fsopen(2) takes for its many.  It does not
 * say what it dislikes, takes some flags of file systems only in bits, and gives no mount that
 * could be filled before it is seen.  So fsopen(2) is there for the second try and for that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "platform/linux/runtime/rootfs_parts.h"

/* ---- by parts --------------------------------------------------------------------- */

#define VALUE_MAX 255 /* of fsconfig(2), FSCONFIG_SET_STRING */

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

/* Linux 6.8 takes the lower layers of an overlay one by one, however many there are. */
static int layers_give(int context, const char *layers, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *path;

    while ((path = overlay_next_path(&layers, arena)) != NULL)
        if (word_give(context, "lowerdir+", path, err) < 0)
            return -1;
    return 0;
}

static bool is_layers(const struct mount_want *want, const struct mount_word *word)
{
    return word->value != NULL && strlen(word->value) > VALUE_MAX &&
           strcmp(want->type, "overlay") == 0 && strcmp(word->key, "lowerdir") == 0;
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
        int given = is_layers(want, word) ? layers_give(context, word->value, err)
                                          : word_give(context, word->key, word->value, err);

        if (given < 0)
            return -1;
    }
    return 0;
}

static bool takes_mode(const struct mount_want *want, mode_t mode)
{
    return mode != 0 && mount_data(&want->options, "mode") == NULL;
}

static int mode_give(int context, const struct mount_want *want, mode_t mode, struct error *err)
{
    char text[16];

    if (!takes_mode(want, mode))
        return 0;
    snprintf(text, sizeof(text), "%04o", mode & 07777u);
    return word_give(context, "mode", text, err);
}

/* proc and sysfs take no context, and mqueue has one of its own. */
static bool takes_label(const struct rootfs *rootfs, const struct mount_want *want)
{
    return rootfs->label != NULL && strcmp(want->type, "proc") != 0 &&
           strcmp(want->type, "sysfs") != 0 && strcmp(want->type, "mqueue") != 0;
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
        (takes_label(rootfs, want) && word_give(context, "context", rootfs->label, err) < 0))
        return -1;
    return tree_make(context, want, err);
}

/* ---- at once ---------------------------------------------------------------------- */

bool file_system_is_long(const struct mount_want *want)
{
    for (size_t i = 0; i < want->options.data_count; i++)
        if (want->options.data[i].value != NULL && strlen(want->options.data[i].value) > VALUE_MAX)
            return true;
    return false;
}

static unsigned long flags_of(const struct mount_options *options)
{
    static const struct {
        unsigned attribute;
        unsigned long flag;
    } same[] = {
        { MOUNT_ATTR_RDONLY, MS_RDONLY },         { MOUNT_ATTR_NOSUID, MS_NOSUID },
        { MOUNT_ATTR_NODEV, MS_NODEV },           { MOUNT_ATTR_NOEXEC, MS_NOEXEC },
        { MOUNT_ATTR_NOATIME, MS_NOATIME },       { MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
        { MOUNT_ATTR_NODIRATIME, MS_NODIRATIME }, { MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW },
    };
    unsigned attributes = attributes_of(options);
    unsigned long flags = 0;

    for (size_t i = 0; i < COUNT_OF(same); i++)
        if (attributes & same[i].attribute)
            flags |= same[i].flag;
    return flags;
}

static void word_join(struct buffer *data, const char *key, const char *value)
{
    if (data->size > 0)
        buffer_add(data, ",", 1);
    buffer_add(data, key, strlen(key));
    if (value == NULL)
        return;
    buffer_add(data, "=", 1);
    buffer_add(data, value, strlen(value));
}

/* The end of a word is a comma, so a value has none; "\," is the file system's own affair. */
static bool has_comma(const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == ',')
            return true;
        if (*value == '\\' && value[1] != '\0')
            value++;
    }
    return false;
}

static int words_join(const struct rootfs *rootfs, const struct mount_want *want, mode_t mode,
                      struct buffer *data)
{
    char text[512];

    for (size_t i = 0; i < want->options.data_count; i++) {
        const struct mount_word *word = &want->options.data[i];

        if (word->value != NULL && has_comma(word->value))
            return -1;
        word_join(data, word->key, word->value);
    }
    if (takes_mode(want, mode)) {
        snprintf(text, sizeof(text), "%04o", mode & 07777u);
        word_join(data, "mode", text);
    }
    if (takes_label(rootfs, want)) {
        snprintf(text, sizeof(text), "\"%.500s\"", rootfs->label);
        word_join(data, "context", text);
    }
    buffer_add(data, "", 1);
    return data->size > (size_t)sysconf(_SC_PAGESIZE) ? -1 : 0;
}

int file_system_mount_at(const struct rootfs *rootfs, const struct mount_want *want, mode_t mode,
                         const char *target)
{
    CLEANUP(buffer_free) struct buffer data = { 0 };
    const char *source = want->source != NULL ? want->source : want->type;

    if (words_join(rootfs, want, mode, &data) < 0) {
        errno = E2BIG;
        return -1;
    }
    return mount(source, target, want->type, flags_of(&want->options), data.data);
}

/* By way of the current folder: a path of the target would be walked a second time. */
int file_system_mount(const struct rootfs *rootfs, const struct mount_want *want, mode_t mode,
                      int target)
{
    return fchdir(target) < 0 ? -1 : file_system_mount_at(rootfs, want, mode, ".");
}

/* ---- remount ---------------------------------------------------------------------- */

int file_system_change(const struct mount_want *want, int mounted, struct error *err)
{
    CLEANUP(fd_drop) int context = fspick(mounted, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);

    if (context < 0)
        return error_sys(err, errno, "remount");
    for (size_t i = 0; i < want->options.data_count; i++)
        if (word_give(context, want->options.data[i].key, want->options.data[i].value, err) < 0)
            return -1;
    if (fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
        return context_error(context, "remount", err);
    return 0;
}
