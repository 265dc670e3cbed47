/* See sysctl.h. */
#include "platform/linux/runtime/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"

/* As in proc_sys_kernel(5), ipc_namespaces(7), uts_namespaces(7); a "." at the end: what is below.
 */
static const struct {
    const char *name;
    unsigned flag;
} known[] = {
    { "kernel.msgmax", CLONE_NEWIPC },   { "kernel.msgmnb", CLONE_NEWIPC },
    { "kernel.msgmni", CLONE_NEWIPC },   { "kernel.sem", CLONE_NEWIPC },
    { "kernel.shmall", CLONE_NEWIPC },   { "kernel.shmmax", CLONE_NEWIPC },
    { "kernel.shmmni", CLONE_NEWIPC },   { "kernel.shm_rmid_forced", CLONE_NEWIPC },
    { "fs.mqueue.", CLONE_NEWIPC },      { "kernel.domainname", CLONE_NEWUTS },
    { "kernel.hostname", CLONE_NEWUTS }, { "net.", CLONE_NEWNET },
    { "user.", CLONE_NEWUSER },
};

/* kernel/shmmax and kernel.shmmax are the same; in the first form a "." is part of a name
   (net/ipv4/conf/eth0.1/forwarding), in the second a "/" stands for one (sysctl(8)). */
static int path_of(const char *key, char *path, size_t size)
{
    char first = key[strcspn(key, "./")];
    size_t used = 0;

    for (; *key != '\0' && used + 1 < size; key++) {
        char c = *key;

        if (first == '.' && (c == '.' || c == '/'))
            c = c == '.' ? '/' : '.';
        path[used++] = c;
    }
    path[used] = '\0';
    if (*key != '\0' || path[0] == '/' || strstr(path, "..") != NULL)
        return -1;
    return 0;
}

static unsigned flag_of(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        char name[64];
        size_t size = strlen(known[i].name);

        for (size_t j = 0; j <= size; j++)
            name[j] = known[i].name[j] == '.' ? '/' : known[i].name[j];
        if (name[size - 1] == '/' ? strncmp(path, name, size) == 0 : strcmp(path, name) == 0)
            return known[i].flag;
    }
    return 0;
}

static int one_check(const struct place *sysctls, const char *key, unsigned own, struct error *err)
{
    struct place place = place_member(sysctls, key);
    char path[512];
    const char *value;
    unsigned flag;

    if (place_text(sysctls, key, &value, err) < 0)
        return -1;
    if (path_of(key, path, sizeof(path)) < 0)
        return place_failure(&place, err, "is no name of a sysctl");
    flag = flag_of(path);
    if (flag == 0)
        return place_failure(&place, err, "sysctl \"%s\" is not in a separate kernel namespace", key);
    if ((own & flag) == 0)
        return place_failure(
            &place, err,
            "sysctl \"%s\" is not allowed in the hosts namespace: the container shares it", key);
    if (flag == CLONE_NEWUTS && strcmp(path, "kernel/hostname") == 0)
        return place_failure(&place, err, "sysctl \"%s\" conflicts with the OCI field \"hostname\"",
                           key);
    return 0;
}

int sysctls_check(const struct place *linux_, unsigned own, struct error *err)
{
    struct place sysctls = place_member(linux_, "sysctl");
    const char *key;
    json_t *value;

    if (sysctls.json == NULL)
        return 0;
    if (!json_is_object(sysctls.json))
        return place_failure(&sysctls, err, "must be an object");
    json_object_foreach ((json_t *)(uintptr_t)sysctls.json, key, value)
        if (one_check(&sysctls, key, own, err) < 0)
            return -1;
    return 0;
}

static int one_write(int folder, const struct place *place, const char *value, struct error *err)
{
    CLEANUP(file_close) int file = -1;
    char path[512];

    if (path_of(place->key, path, sizeof(path)) < 0)
        return place_failure(place, err, "is no name of a sysctl");
    file = openat(folder, path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return place_failure(place, err, "open /proc/sys/%s: %s", path, strerror(errno));
    if (write(file, value, strlen(value)) < 0)
        return place_failure(place, err, "write \"%s\" to /proc/sys/%s: %s", value, path,
                           strerror(errno));
    return 0;
}

int sysctls_write(const struct place *linux_, struct error *err)
{
    struct place sysctls = place_member(linux_, "sysctl");
    CLEANUP(file_close) int folder = -1;
    const char *key;
    json_t *value;

    if (json_object_size(sysctls.json) == 0)
        return 0;
    folder = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return error_sys(err, errno, "open /proc/sys");
    json_object_foreach ((json_t *)(uintptr_t)sysctls.json, key, value) {
        struct place place = place_member(&sysctls, key);

        if (one_write(folder, &place, json_string_value(value), err) < 0)
            return -1;
    }
    return 0;
}
