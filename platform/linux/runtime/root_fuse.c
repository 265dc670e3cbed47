/*
 * root_fuse — file systems that programs are: mount.fuse(8) starts them.
 *
 * Only the two helpers of that name are started, whatever a type says: fuse.X is X by mount.fuse,
 * fuse3.X by mount.fuse3.  They return when the file system is there; the program they leave behind
 * ends with the mount.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/linux/runtime/rootfs_parts.h"

#define PATH_WORDS "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

bool fuse_is(const char *type)
{
    return strncmp(type, "fuse.", 5) == 0 || strncmp(type, "fuse3.", 6) == 0;
}

static const char *joined(const struct strs *options, struct arena *arena)
{
    const char *text = "";

    for (size_t i = 0; i < options->count; i++)
        text = arena_printf(arena, "%s%s%s", text, i > 0 ? "," : "", options->items[i]);
    return text;
}

/* The program sees the folder by its path: a descriptor of ours means nothing to it. */
static int folder_path(int target, char path[4096], struct error *err)
{
    char link[40];
    ssize_t length;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", target);
    length = readlink(link, path, 4095);
    if (length < 0)
        return error_sys(err, errno, "path of the root file system's folder");
    path[length] = '\0';
    return 0;
}

static int run(const char *helper, char *const *arguments, struct error *err)
{
    static char path[] = PATH_WORDS;
    char *environment[] = { path, NULL };
    int status, code;
    pid_t pid;

    code = posix_spawnp(&pid, helper, NULL, NULL, arguments, environment);
    if (code != 0) {
        error_sys(err, code, "start %s", helper);
        return error_hint(err, "install it (Debian: fuse3)");
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_sys(err, errno, "wait for %s", helper);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION, "%s: ended with status %d", helper,
                     WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int fuse_mount(const char *type, const char *source, const struct strs *options, int target,
               struct arena *arena, struct error *err)
{
    const char *helper = type[4] == '3' ? "mount.fuse3" : "mount.fuse";
    char folder[4096];
    char *arguments[] = { arena_str(arena, helper),
                          arena_str(arena, source != NULL ? source : "none"),
                          folder,
                          arena_str(arena, "-t"),
                          arena_str(arena, strchr(type, '.') + 1),
                          NULL,
                          NULL,
                          NULL };

    if (folder_path(target, folder, err) < 0)
        return -1;
    if (options->count > 0) {
        arguments[5] = arena_str(arena, "-o");
        arguments[6] = arena_str(arena, joined(options, arena));
    }
    return run(helper, arguments, err);
}
