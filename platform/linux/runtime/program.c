/*
 * program — args[0], looked up in the container as the user who will run it.
 *
 * The words of the errors are those of runc (which are Go's): callers look for them, to know a
 * command that is not there (127) from one that cannot be run (126).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/linux/runtime/process_parts.h"

const char *error_words(int os, char text[64])
{
    snprintf(text, 64, "%s", strerror(os));
    if (text[0] >= 'A' && text[0] <= 'Z' && !(text[1] >= 'A' && text[1] <= 'Z'))
        text[0] = (char)(text[0] - 'A' + 'a');
    return text;
}

/* 0, or the errno that says why this cannot be run; *is_stat: the file itself is not there. */
static int cannot_run(const char *path, bool *is_stat)
{
    struct stat status;

    *is_stat = stat(path, &status) < 0;
    if (*is_stat)
        return errno;
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    /* with the effective ids and capabilities, as exec does; noexec mounts answer EACCES too */
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

static int refuse(const char *name, int os, bool is_stat, struct error *err)
{
    enum error_code code =
        os == ENOENT || os == ENOTDIR ? ERROR_NOT_FOUND : ERROR_PERMISSION_DENIED;
    char words[64];

    error_words(os, words);
    if (is_stat)
        error_set(err, code, "exec: \"%s\": stat %s: %s", name, name, words);
    else
        error_set(err, code, "exec: \"%s\": %s", name, words);
    err->os = os;
    return -1;
}

/* The first on PATH that can be run; those that cannot are passed over, as Go does. */
static int find_on_path(struct process_spec *spec, const char *name, struct error *err)
{
    const char *at = env_get(spec, "PATH");
    bool is_stat;

    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, ":");
        int size = snprintf(spec->path, sizeof(spec->path), "%.*s/%s", length > 0 ? (int)length : 1,
                            length > 0 ? at : ".", name);

        if (size > 0 && (size_t)size < sizeof(spec->path) &&
            cannot_run(spec->path, &is_stat) == 0) {
            if (spec->path[0] == '/')
                return 0;
            return error_set(err, ERROR_PERMISSION_DENIED,
                             "exec: \"%s\": cannot run executable found relative to current "
                             "directory",
                             name);
        }
        at += length;
        at += *at == ':';
    }
    error_set(err, ERROR_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", name);
    err->os = ENOENT;
    return -1;
}

int program_locate(struct process_spec *spec, struct error *err)
{
    const char *name = spec->args.items[0];
    bool is_stat;
    int why;

    if (strchr(name, '/') == NULL)
        return find_on_path(spec, name, err);
    if (strlen(name) >= sizeof(spec->path))
        return refuse(name, ENAMETOOLONG, true, err);
    why = cannot_run(name, &is_stat);
    if (why != 0)
        return refuse(name, why, is_stat, err);
    strcpy(spec->path, name);
    return 0;
}
