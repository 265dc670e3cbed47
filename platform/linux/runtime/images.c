/* See images.h. */
#include "platform/linux/runtime/images.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/linux/runtime/criu.h"
#include "platform/linux/runtime/files.h"
#include "platform/linux/runtime/protobuf.h"
#include "platform/linux/runtime/report.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define LOG_LEVEL     4 /* debug: what is asked for when something fails */
#define LOG_BYTES_MAX (64u << 20)

/* ---- options ---------------------------------------------------------------------- */

/* enum criu_cg_mode of rpc.proto */
static int cgroups_mode(const char *word, struct error *err)
{
    static const struct {
        const char *word;
        int mode;
    } modes[] = { { "ignore", 0 }, { "soft", 3 }, { "full", 4 }, { "strict", 5 } };

    if (word == NULL || *word == '\0')
        word = "soft";
    for (size_t i = 0; i < COUNT_OF(modes); i++)
        if (strcmp(modes[i].word, word) == 0)
            return modes[i].mode;
    return error_set(err, ERROR_INVALID_ARGUMENT, "Invalid manage-cgroups-mode value");
}

/* Whoever set the network up (hooks, a CNI plugin) does so for a restored container as well: the
   network namespace is always made anew and empty, as runc has it. */
static int empty_namespaces_check(const struct option_list *list, struct error *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], "network") != 0)
            return error_set(err, ERROR_INVALID_ARGUMENT, "namespace \"%s\" is not supported",
                             list->items[i]);
    return 0;
}

static int refuse(const struct options *options, struct error *err)
{
    if (options->lazy_pages)
        return error_set(err, ERROR_UNIMPLEMENTED,
                         "--lazy-pages is not supported: memory is restored before the processes");
    if (options->page_server != NULL && *options->page_server != '\0')
        return error_set(err, ERROR_UNIMPLEMENTED,
                         "--page-server is not supported: images are written to --image-path");
    return 0;
}

static int options_begin(struct images *images, const struct options *options, struct error *err)
{
    const struct {
        enum criu_option field;
        bool value;
    } flags[] = {
        { CRIU_EXT_UNIX_SK, options->ext_unix_sk },
        { CRIU_TCP_ESTABLISHED, options->tcp_established },
        { CRIU_SHELL_JOB, options->shell_job },
        { CRIU_FILE_LOCKS, options->file_locks },
        { CRIU_AUTO_DEDUP, options->auto_dedup },
        { CRIU_NOTIFY_SCRIPTS, true },
        { CRIU_MANAGE_CGROUPS, true },
        { CRIU_ORPHAN_PTS_MASTER, true },
    };
    int mode = cgroups_mode(options->manage_cgroups_mode, err);

    if (mode < 0 || empty_namespaces_check(&options->empty_ns, err) < 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (flags[i].value)
            proto_number(&images->options, flags[i].field, true);
    proto_number(&images->options, CRIU_MANAGE_CGROUPS_MODE, (unsigned)mode);
    proto_number(&images->options, CRIU_EMPTY_NS, CLONE_NEWNET);
    proto_number(&images->options, CRIU_LOG_LEVEL, LOG_LEVEL);
    proto_text(&images->options, CRIU_LOG_FILE, images->log);
    return 0;
}

void images_configure(struct images *images, const json_t *config)
{
    const json_t *said = json_object_get(json_object_get(config, "annotations"), "org.criu.config");
    const char *path = said != NULL ? json_string_value(said) : "/etc/criu/runc.conf";

    if (path != NULL && *path != '\0') /* a file that is not there is none, for criu */
        proto_text(&images->options, CRIU_CONFIG_FILE, path);
}

/* ---- folders ---------------------------------------------------------------------- */

static int folder_open(const char *path, unsigned mode, struct error *err)
{
    int folder;

    if (mode != 0 && fs_folder_make_all(path, mode, err) < 0)
        return -1;
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? error_sys(err, errno, "open %s", path) : folder;
}

static int folders_open(struct images *images, const struct options *options, unsigned mode,
                        struct error *err)
{
    bool has_path = options->image_path != NULL && *options->image_path != '\0';
    bool has_work = options->work_path != NULL && *options->work_path != '\0';

    images->path = has_path ? options->image_path : "checkpoint";
    images->folder = folder_open(images->path, mode, err);
    if (images->folder < 0)
        return -1;
    if (has_work && (images->work = folder_open(options->work_path, 0700, err)) < 0)
        return -1;
    /* the bundle becomes our current folder later */
    if (realpath(has_work ? options->work_path : images->path, images->log_at) == NULL)
        return error_sys(err, errno, "%s", images->path);
    proto_number(&images->options, CRIU_IMAGES_DIR_FD, (unsigned)images->folder);
    if (images->work >= 0)
        proto_number(&images->options, CRIU_WORK_DIR_FD, (unsigned)images->work);
    return 0;
}

/* Below the images' folder, where criu looks for it by this path. */
static int parent_take(struct images *images, const char *parent, struct error *err)
{
    struct stat st;

    if (parent == NULL || *parent == '\0')
        return 0;
    if (parent[0] == '/')
        return error_set(err, ERROR_INVALID_ARGUMENT, "--parent-path must be relative");
    if (fstatat(images->folder, parent, &st, 0) < 0)
        return error_sys(err, errno, "invalid --parent-path: %s/%s", images->path, parent);
    if (!S_ISDIR(st.st_mode))
        return error_sys(err, ENOTDIR, "invalid --parent-path: %s/%s", images->path, parent);
    proto_text(&images->options, CRIU_PARENT_IMG, parent);
    proto_number(&images->options, CRIU_TRACK_MEM, true);
    return 0;
}

int images_open(struct images *images, const struct options *options, const char *log,
                unsigned mode, struct error *err)
{
    images->log = log;
    if (refuse(options, err) < 0 || options_begin(images, options, err) < 0 ||
        folders_open(images, options, mode, err) < 0)
        return -1;
    /* an old one must not be quoted for a new failure */
    unlinkat(images->work >= 0 ? images->work : images->folder, log, 0);
    return parent_take(images, options->parent_path, err);
}

static int folder_move(int folder, pid_t pid, struct error *err)
{
    CLEANUP(file_close) int there = -1;
    char link[32], path[PATH_MAX], way[PATH_MAX + 32];
    ssize_t size;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
    size = readlink(link, path, sizeof(path) - 1);
    if (size < 0)
        return error_sys(err, errno, "%s", link);
    path[size] = '\0';
    snprintf(way, sizeof(way), "/proc/%d/root%s", (int)pid, path);
    there = open(way, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (there < 0 || dup3(there, folder, O_CLOEXEC) < 0)
        return error_sys(err, errno, "open %s for criu", path);
    return 0;
}

int images_move(struct images *images, pid_t pid, struct error *err)
{
    if (folder_move(images->folder, pid, err) < 0)
        return -1;
    return images->work >= 0 ? folder_move(images->work, pid, err) : 0;
}

void images_close(struct images *images)
{
    file_close(&images->folder);
    file_close(&images->work);
    buffer_free(&images->options);
}

/* ---- errors ----------------------------------------------------------------------- */

#define QUOTED_MAX 8

/* "(00.116418) Error (criu/mount.c:123): mnt: ..."; the last ones, in their order. */
static size_t errors_find(char *log, const char *lines[QUOTED_MAX])
{
    size_t count = 0;

    for (char *at = log; (at = strstr(at, "Error (")) != NULL;) {
        char *end = at + strcspn(at, "\n");

        if (count == QUOTED_MAX)
            memmove(lines, lines + 1, --count * sizeof(*lines));
        lines[count++] = at;
        at = *end != '\0' ? end + 1 : end;
        *end = '\0';
    }
    return count;
}

/* All are quoted: which of them was the cause is not for us to know.  "Dumping FAILED." is not. */
static const char *errors_report(char *log)
{
    const char *lines[QUOTED_MAX], *last = NULL;
    size_t count = errors_find(log, lines);

    for (size_t i = 0; i < count; i++) {
        report_warning("criu: %s", lines[i]);
        if (last == NULL || strstr(lines[i], "FAILED") == NULL)
            last = lines[i];
    }
    return last;
}

int images_error(const struct images *images, struct error *err)
{
    struct error failed = *err, ignored;
    size_t size;
    int folder = images->work >= 0 ? images->work : images->folder;
    char *log = file_get(folder, images->log, LOG_BYTES_MAX, &size, &ignored);
    const char *line = log != NULL ? errors_report(log) : NULL;

    if (line == NULL)
        line = failed.hint;
    error_set(err, failed.code, "%.100s; log file: %.120s/%s%s%.120s", failed.text, images->log_at,
              images->log, *line != '\0' ? ": " : "", line);
    free(log);
    return -1;
}
