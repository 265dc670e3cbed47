/*
 * mount_check — see mount_check.h.  Words of options are those of mount(8) and of
 * Documentation/filesystems/overlayfs.rst of the kernel.
 */
#include "platform/linux/plugin/mount_check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"

#define MOUNTS_MAX  32
#define OPTIONS_MAX (256u << 10) /* bytes of one mount's: 500 layers with long names */

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words != NULL && strcmp(*words, word) != 0)
        words++;
    return *words != NULL;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ---- paths ------------------------------------------------------------------------------------
 */

/* `path` is `folder` or below it. */
static bool is_in(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    while (length > 1 && folder[length - 1] == '/')
        length--;
    return strncmp(path, folder, length) == 0 &&
           (path[length] == '\0' || path[length] == '/' || length == 1);
}

static bool has_dots(const char *path)
{
    for (; *path != '\0'; path += strcspn(path, "/")) {
        path += strspn(path, "/");
        if (begins(path, "..") && (path[2] == '/' || path[2] == '\0'))
            return true;
    }
    return false;
}

/* Folders whose content is the host's, and of no snapshot. */
static const char *const system_folders[] = { "/bin",  "/boot",  "/dev",   "/etc",    "/home",
                                              "/lib",  "/lib32", "/lib64", "/libx32", "/proc",
                                              "/root", "/sbin",  "/sys",   "/usr",    NULL };

/* In one of the folders, or above it: then that folder would be in what is mounted. */
static const char *touched(const char *path, const char *const *folders)
{
    for (; *folders != NULL; folders++)
        if (is_in(path, *folders) || is_in(*folders, path))
            return *folders;
    return NULL;
}

/* `root`: rules->root, as it is written or where it leads. */
static int place_check(const char *path, const struct mount_rules *rules, const char *root,
                       struct error *err)
{
    const char *found = touched(path, rules->own);

    if (found != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: %.80s is gantry's own", path, found);
    if (root != NULL && !is_in(path, root)) {
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "%.120s: is not below the plugin's exports.root, %.80s", path, root);
        return error_hint(err, "correct exports.root in [proxy_plugins], or leave it out");
    }
    if (root == NULL && (found = touched(path, system_folders)) != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: %s is the host's, not a snapshot",
                         path, found);
    return 0;
}

/* As it is written, and where its links lead. */
static int path_check(const char *path, const struct mount_rules *rules, struct error *err)
{
    bool has_root = rules->root != NULL && strcmp(rules->root, "/") != 0;
    char real[PATH_SIZE], root[PATH_SIZE];

    if (path == NULL || path[0] != '/')
        return error_set(err, ERROR_INVALID_ARGUMENT, "source %.120s: is no absolute path",
                         path != NULL ? path : "(none)");
    if (has_dots(path))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: has .. in it", path);
    if (place_check(path, rules, has_root ? rules->root : NULL, err) < 0 ||
        fs_follow(path, real, err) < 0 || (has_root && fs_follow(rules->root, root, err) < 0))
        return -1;
    return place_check(real, rules, has_root ? root : NULL, err);
}

/* Of a file system that lies on a device, or in a file. */
static int device_check(const char *path, const struct mount_rules *rules, struct error *err)
{
    if (path != NULL && begins(path, "/dev/") && !has_dots(path))
        return 0;
    return path_check(path, rules, err);
}

static int dataset_check(const char *name, const struct mount_rules *rules, struct error *err)
{
    (void)rules;
    if (name == NULL || name[0] == '/' || has_dots(name))
        return error_set(err, ERROR_INVALID_ARGUMENT, "source %.120s: is no dataset",
                         name != NULL ? name : "(none)");
    return 0;
}

static int any_check(const char *name, const struct mount_rules *rules, struct error *err)
{
    (void)rules;
    if (name != NULL && has_dots(name))
        return error_set(err, ERROR_INVALID_ARGUMENT, "source %.120s: has .. in it", name);
    return 0;
}

/* ---- options ----------------------------------------------------------------------------------
 */

static const char *const flags[] = {
    "ro",         "rw",       "suid",       "nosuid",      "dev",           "nodev",    "exec",
    "noexec",     "sync",     "async",      "dirsync",     "atime",         "noatime",  "diratime",
    "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "defaults", NULL
};
static const char *const bind_words[] = { "bind", "rbind", NULL };
static const char *const overlay_words[] = { "userxattr", "volatile", NULL };
static const char *const overlay_paths[] = { "lowerdir=",  "upperdir=", "workdir=",
                                             "lowerdir+=", "datadir+=", NULL };
static const char *const overlay_values[] = { "index=",      "metacopy=", "redirect_dir=", "xino=",
                                              "nfs_export=", "uuid=",     "verity=",       NULL };

static const char *begins_with_one(const char *option, const char *const *prefixes)
{
    for (; *prefixes != NULL; prefixes++)
        if (begins(option, *prefixes))
            return option + strlen(*prefixes);
    return NULL;
}

/* A comma ends an option when they are joined for the kernel: what is behind it would be one of its
   own.  In the paths of an overlay one may stand behind a backslash. */
static bool has_comma(const char *option, bool is_path)
{
    for (; *option != '\0'; option++) {
        if (*option == '\\' && is_path && option[1] != '\0')
            option++;
        else if (*option == ',')
            return true;
    }
    return false;
}

/* lowerdir=A:B, where a backslash keeps a colon in a name. */
static int each_path(const char *list, const struct mount_rules *rules, struct error *err)
{
    char path[PATH_SIZE];
    size_t have = 0;

    for (;; list++) {
        if (*list == ':' || *list == '\0') {
            path[have] = '\0';
            if (have > 0 && path_check(path, rules, err) < 0)
                return -1;
            have = 0;
            if (*list == '\0')
                return 0;
            continue;
        }
        if (*list == '\\' && list[1] != '\0')
            list++;
        if (have + 1 >= sizeof(path))
            return error_set(err, ERROR_INVALID_ARGUMENT, "a path of more than %d bytes",
                             PATH_SIZE);
        path[have++] = *list;
    }
}

/* containerd's: CONTAINER:HOST:SIZE, several with a comma between.  Who carries out the mount does
 * that. */
static bool is_id_map(const char *option)
{
    if (!begins(option, "uidmap=") && !begins(option, "gidmap="))
        return false;
    return option[strlen("uidmap=") + strspn(option + strlen("uidmap="), "0123456789:,")] == '\0';
}

static int overlay_option(const char *option, const struct mount_rules *rules, struct error *err)
{
    const char *paths = begins_with_one(option, overlay_paths);

    if (paths != NULL)
        return each_path(paths, rules, err);
    if (is_one_of(option, overlay_words) || begins_with_one(option, overlay_values) != NULL)
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT, "option %.80s: is none of an overlay", option);
}

static int bind_option(const char *option, const struct mount_rules *rules, struct error *err)
{
    (void)rules;
    if (is_one_of(option, bind_words))
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT, "option %.80s: is none of a bind", option);
}

/* What file systems of others take is theirs to say. */
static int any_option(const char *option, const struct mount_rules *rules, struct error *err)
{
    (void)rules;
    if (!begins(option, "uidmap=") && !begins(option, "gidmap="))
        return 0;
    return error_set(err, ERROR_UNIMPLEMENTED,
                     "option %.80s: id-mapped snapshots are not supported", option);
}

/* ---- types ------------------------------------------------------------------------------------
 */

static const struct mount_kind {
    const char *type; /* one that ends in a dot begins so */
    int (*source)(const char *source, const struct mount_rules *rules, struct error *err);
    int (*option)(const char *option, const struct mount_rules *rules, struct error *err);
} kinds[] = {
    { "bind", path_check, bind_option },   { "overlay", any_check, overlay_option },
    { "btrfs", device_check, any_option }, { "zfs", dataset_check, any_option },
    { "ext4", device_check, any_option },  { "xfs", device_check, any_option },
    { "erofs", device_check, any_option }, { "fuse.", any_check, any_option },
    { "fuse3.", any_check, any_option },
};

static bool is_fit_for_a_name(const char *text)
{
    return text[0] != '\0' && strpbrk(text, "/ \t\n\\\"'") == NULL;
}

static const struct mount_kind *kind_find(const char *type)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        size_t length = strlen(kinds[i].type);
        bool is_family = kinds[i].type[length - 1] == '.';

        if (is_family ? begins(type, kinds[i].type) && is_fit_for_a_name(type + length)
                      : strcmp(type, kinds[i].type) == 0)
            return &kinds[i];
    }
    return NULL;
}

static int type_refuse(const char *type, struct error *err)
{
    if (begins(type, "format/") || begins(type, "mkdir/") || begins(type, "mkfs/"))
        return error_set(err, ERROR_UNIMPLEMENTED,
                         "type %.60s: asks for containerd's mount manager, which gantry has not",
                         type);
    return error_set(err, ERROR_UNIMPLEMENTED,
                     "type '%.60s': is none of bind, overlay, btrfs, zfs, ext4, xfs, erofs, fuse.*",
                     type);
}

static int option_check(const struct mount_kind *kind, const char *option,
                        const struct mount_rules *rules, struct error *err)
{
    bool is_path = kind->option == overlay_option;

    if (option[0] == '\0' || strpbrk(option, "\n\x1e\x1f") != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "an option that is empty, or not one line");
    if (begins(option, "X-containerd."))
        return error_set(err, ERROR_UNIMPLEMENTED,
                         "option %.80s: asks for containerd's mount manager, which gantry has not",
                         option);
    if (is_id_map(option) && kind->option != any_option)
        return 0;
    if (has_comma(option, is_path))
        return error_set(err, ERROR_INVALID_ARGUMENT, "option %.80s: has a comma in it", option);
    if (strcmp(option, "remount") == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "option remount: there is nothing to change");
    return is_one_of(option, flags) ? 0 : kind->option(option, rules, err);
}

static int target_check(const char *target, struct error *err)
{
    if (target == NULL)
        return 0;
    if (target[0] == '/' || has_dots(target) || strpbrk(target, "\n\x1e\x1f") != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "target %.80s: is no path inside the root file system", target);
    return 0;
}

static int mount_check(const struct mount *mount, const struct mount_rules *rules,
                       struct error *err)
{
    const struct mount_kind *kind = kind_find(mount->type);
    size_t total = 0;

    if (kind == NULL)
        return type_refuse(mount->type, err);
    if (mount->source != NULL && strpbrk(mount->source, "\n\x1e\x1f") != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "a source that is not one line");
    if (kind->source(mount->source, rules, err) < 0 || target_check(mount->target, err) < 0)
        return -1;
    for (size_t i = 0; i < mount->options.count; i++) {
        total += strlen(mount->options.items[i]);
        if (option_check(kind, mount->options.items[i], rules, err) < 0)
            return -1;
    }
    return total <= OPTIONS_MAX
               ? 0
               : error_set(err, ERROR_RESOURCE_EXHAUSTED, "%zu bytes of options, at most %u go",
                           total, OPTIONS_MAX);
}

int mounts_check(const struct list *mounts, const struct mount_rules *rules, struct error *err)
{
    const struct mount *items = mounts->items;

    if (mounts->count == 0 || mounts->count > MOUNTS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%zu mounts: 1 to %d make a root file system",
                         mounts->count, MOUNTS_MAX);
    for (size_t i = 0; i < mounts->count; i++)
        if (mount_check(&items[i], rules, err) < 0)
            return error_wrap(err, "mount %zu", i + 1);
    return 0;
}
