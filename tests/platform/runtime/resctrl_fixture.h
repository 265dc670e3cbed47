/*
 * resctrl_fixture — an ordinary folder that behaves as the kernel's resctrl does, as far as
 * rdt.h relies on it: mkdir(2) makes a class or group with its files in it, rmdir(2) removes it
 * with them, a write to `schemata` is checked and changes only what it names, and a write to
 * `tasks` moves a task out of where it was.  The test is linked with --wrap for these three calls.
 */
#ifndef TESTS_RUNTIME_RESCTRL_FIXTURE_H
#define TESTS_RUNTIME_RESCTRL_FIXTURE_H

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "document.h"
#include "platform/platform.h"
#include "platform/scope.h"

static char resctrl[64]; /* "": none */
static int classes_left, groups_left;

int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
ssize_t __real_write(int fd, const void *data, size_t size);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
ssize_t __wrap_write(int fd, const void *data, size_t size);
pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);

/* ---- files ------------------------------------------------------------------------ */

static const char *in_resctrl(const char *name)
{
    static char path[2][256];
    static unsigned turn;

    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", resctrl, name);
    return path[turn];
}

static void file_fill(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* In static memory, two at a time. */
static const char *file_text(const char *path)
{
    static char text[2][8192];
    static unsigned turn;
    FILE *file = fopen(path, "r");
    size_t size;

    turn = !turn;
    size = file != NULL ? fread(text[turn], 1, sizeof(text[turn]) - 1, file) : 0;
    text[turn][size] = '\0';
    if (file != NULL)
        fclose(file);
    return text[turn];
}

static void folder_fill(const char *folder, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(__real_mkdir(path, 0755), 0);
}

/* What every group has; counters differ by where they stand. */
static void group_fill(const char *folder, const char *occupancy)
{
    char cache[PATH_MAX];

    file_fill(folder, "tasks", "");
    folder_fill(folder, "mon_data");
    for (int i = 0; i < 2; i++) {
        snprintf(cache, sizeof(cache), "mon_data/mon_L3_0%d", i);
        folder_fill(folder, cache);
        snprintf(cache, sizeof(cache), "%s/mon_data/mon_L3_0%d", folder, i);
        file_fill(cache, "llc_occupancy", i == 0 ? occupancy : "Unavailable\n");
        file_fill(cache, "mbm_total_bytes", "4096\n");
        file_fill(cache, "mbm_local_bytes", "0\n");
    }
}

static void class_fill(const char *folder)
{
    group_fill(folder, "1000\n");
    folder_fill(folder, "mon_groups");
    file_fill(folder, "schemata", "    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n");
}

static UNUSED int resctrl_setup(void **state UNUSED)
{
    char folder[96];

    snprintf(resctrl, sizeof(resctrl), "/tmp/gantry-test-rdt-XXXXXX");
    assert_non_null(mkdtemp(resctrl));
    class_fill(resctrl);
    folder_fill(resctrl, "info");
    snprintf(folder, sizeof(folder), "%s/info", resctrl);
    file_fill(folder, "last_cmd_status", "ok\n");
    folder_fill(folder, "L3");
    folder_fill(folder, "MB");
    folder_fill(folder, "L3_MON");
    file_fill(folder, "L3/cbm_mask", "7ff\n");
    file_fill(folder, "L3/min_cbm_bits", "1\n");
    file_fill(folder, "L3/num_closids", "16\n");
    file_fill(folder, "MB/bandwidth_gran", "10\n");
    file_fill(folder, "MB/delay_linear", "1\n");
    file_fill(folder, "MB/min_bandwidth", "10\n");
    file_fill(folder, "MB/num_closids", "8\n");
    file_fill(folder, "L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n");
    classes_left = groups_left = 10;
    return 0;
}

static UNUSED int resctrl_teardown(void **state UNUSED)
{
    char folder[sizeof(resctrl)];

    memcpy(folder, resctrl, sizeof(folder));
    resctrl[0] = '\0';
    return fs_remove_tree(folder, &err);
}

/* ---- folders ---------------------------------------------------------------------- */

/* The path from the root on; NULL: it is not there. */
static const char *below(const char *path)
{
    size_t size = strlen(resctrl);

    return size > 0 && strncmp(path, resctrl, size) == 0 && path[size] == '/' ? path + size + 1
                                                                              : NULL;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    const char *name = below(path);
    bool is_group = name != NULL && strstr(name, "mon_groups/") != NULL;

    if (name != NULL && (is_group ? groups_left : classes_left) == 0) {
        file_fill(resctrl, "info/last_cmd_status",
                  is_group ? "Out of RMIDs\n" : "Out of CLOSIDs\n");
        errno = ENOSPC;
        return -1;
    }
    if (__real_mkdir(path, mode) < 0)
        return -1;
    if (name == NULL)
        return 0;
    (*(is_group ? &groups_left : &classes_left))--;
    if (is_group)
        group_fill(path, "500\n");
    else
        class_fill(path);
    return 0;
}

int __wrap_rmdir(const char *path)
{
    char name[PATH_MAX];

    if (below(path) == NULL || access(path, F_OK) < 0)
        return __real_rmdir(path);
    snprintf(name, sizeof(name), "%s", resctrl); /* what is in it is removed as usual */
    resctrl[0] = '\0';
    fs_remove_tree(path, &err);
    memcpy(resctrl, name, sizeof(resctrl));
    return 0;
}

/* ---- writing ---------------------------------------------------------------------- */

static ssize_t refuse(const char *why)
{
    file_fill(resctrl, "info/last_cmd_status", why);
    errno = EINVAL;
    return -1;
}

/* Changes "RESOURCE:ID=" in a schemata text; false: there is none. */
static bool grant_put(char *text, size_t room, const char *resource, const char *id,
                      const char *value)
{
    char head[32], rest[4096], *line, *at, *end;

    snprintf(head, sizeof(head), "%s:", resource);
    line = strstr(text, head);
    if (line == NULL)
        return false;
    snprintf(head, sizeof(head), "%s=", id);
    for (at = line + strlen(resource) + 1; strncmp(at, head, strlen(head)) != 0; at = end + 1) {
        end = at + strcspn(at, ";\n");
        if (*end != ';')
            return false;
    }
    at += strlen(head);
    snprintf(rest, sizeof(rest), "%s", at + strcspn(at, ";\n"));
    snprintf(at, room - (size_t)(at - text), "%s%s", value, rest);
    return true;
}

static bool line_apply(char *text, size_t room, char *line)
{
    char *save = NULL, *resource = strtok_r(line, ":", &save), *grant;

    while (resource != NULL && (grant = strtok_r(NULL, ";", &save)) != NULL) {
        char *sign = strchr(grant, '='), value[32];

        if (sign == NULL)
            return false;
        *sign = '\0';
        if (strcmp(resource, "MB") == 0)
            snprintf(value, sizeof(value), "%d", (atoi(sign + 1) + 9) / 10 * 10);
        else
            snprintf(value, sizeof(value), "%lx", strtoul(sign + 1, NULL, 16));
        if (!grant_put(text, room, resource, grant, value))
            return false;
    }
    return resource != NULL;
}

static ssize_t schemata_write(const char *path, const char *data, size_t size)
{
    char text[8192], asked[4097], folder[PATH_MAX], *save = NULL;

    if (size == 0 || size > 4096 || data[size - 1] != '\n')
        return refuse("no newline\n");
    snprintf(asked, sizeof(asked), "%.*s", (int)size, data);
    snprintf(text, sizeof(text), "%s", file_text(path));
    for (char *line = strtok_r(asked, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save))
        if (!line_apply(text, sizeof(text), line))
            return refuse("Unknown resource name\n");
    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = '\0';
    file_fill(folder, "schemata", text);
    return (ssize_t)size;
}

static bool has_task(const char *path, const char *task)
{
    char line[32];
    const char *at = file_text(path);

    snprintf(line, sizeof(line), "%s\n", task);
    for (; at != NULL && *at != '\0'; at = strchr(at, '\n'), at += at != NULL)
        if (strncmp(at, line, strlen(line)) == 0)
            return true;
    return false;
}

/* Of a task that is in no class, since no test has two. */
static ssize_t tasks_write(const char *path, const char *data, size_t size)
{
    char task[32], class[PATH_MAX], *group, folder[PATH_MAX], text[8192];

    snprintf(task, sizeof(task), "%.*s", (int)size, data);
    if (kill(atoi(task), 0) < 0)
        return -1;
    snprintf(class, sizeof(class), "%s", path);
    group = strstr(class, "mon_groups/");
    if (group != NULL) {
        strcpy(group, "tasks");
        if (!has_task(class, task))
            return refuse("Can't move task to different control group\n");
    }
    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = '\0';
    file_fill(resctrl, "info/last_moved", path); /* the test's own: outlives the task */
    if (!has_task(path, task)) {
        snprintf(text, sizeof(text), "%.8000s%s\n", file_text(path), task);
        file_fill(folder, "tasks", text);
    }
    return (ssize_t)size;
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    char link[32], path[PATH_MAX];
    ssize_t length;
    const char *name;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = resctrl[0] != '\0' ? readlink(link, path, sizeof(path) - 1) : -1;
    path[length > 0 ? length : 0] = '\0';
    name = strrchr(path, '/');
    if (name == NULL || below(path) == NULL)
        return __real_write(fd, data, size);
    if (strcmp(name, "/schemata") == 0)
        return schemata_write(path, data, size);
    return strcmp(name, "/tasks") == 0 ? tasks_write(path, data, size)
                                       : __real_write(fd, data, size);
}

/* ---- the end of a task ---------------------------------------------------------------- */

static void task_forget(const char *path, const char *task)
{
    char text[8192] = "", *at = text, *save = NULL, lines[8192], folder[PATH_MAX];

    snprintf(lines, sizeof(lines), "%s", file_text(path));
    for (char *line = strtok_r(lines, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save))
        if (strcmp(line, task) != 0)
            at += sprintf(at, "%s\n", line);
    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = '\0';
    file_fill(folder, "tasks", text);
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
    pid_t ended = __real_waitpid(pid, status, options);
    glob_t found = { 0 };
    char task[16];

    if (ended <= 0 || resctrl[0] == '\0')
        return ended;
    snprintf(task, sizeof(task), "%d", (int)ended);
    glob(in_resctrl("*/tasks"), 0, NULL, &found);
    glob(in_resctrl("*/mon_groups/*/tasks"), GLOB_APPEND, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++)
        task_forget(found.gl_pathv[i], task);
    globfree(&found);
    return ended;
}

#endif
