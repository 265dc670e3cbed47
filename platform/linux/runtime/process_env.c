/*
 * The environment: a name once (the last of several counts, as in runc), HOME added when
 * nobody says it.
 *
 * The container's passwd is hostile: it is read as a stream of bounded lines, and only if it is
 * a plain file.  What makes no sense in it is as if it were not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/process_parts.h"
#include "platform/scope.h"
#include "protocol/oci/users.h"

#define LINE_SIZE 4096

/* ---- names -------------------------------------------------------------------- */

static size_t name_length(const char *entry)
{
    return (size_t)(strchr(entry, '=') - entry);
}

static uint32_t name_hash(const char *entry, size_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)entry[i]) * 16777619u;
    return hash;
}

/* Kubernetes gives a container thousands of names, so they are hashed. */
static void keep_last(struct strs *env, struct arena *arena)
{
    size_t room = 16, kept = 0, *table;

    while (room < env->count * 2)
        room *= 2;
    table = arena_alloc(arena, room * sizeof(*table)); /* index + 1 in `env` */
    for (size_t i = 0; i < env->count; i++) {
        const char *entry = env->items[i];
        size_t length = name_length(entry), at = name_hash(entry, length) & (room - 1);

        while (table[at] != 0 && strncmp(env->items[table[at] - 1], entry, length + 1) != 0)
            at = (at + 1) & (room - 1);
        if (table[at] == 0)
            table[at] = ++kept;
        env->items[table[at] - 1] = entry;
    }
    env->count = kept;
    env->items[kept] = NULL;
}

int env_read(struct process_spec *spec, const struct place *process, struct error *err)
{
    struct place array = place_member(process, "env");

    if (place_texts(process, "env", &spec->env, spec->arena, err) < 0)
        return -1;
    for (size_t i = 0; i < spec->env.count; i++) {
        struct place place = place_element(&array, i);
        const char *entry = spec->env.items[i];

        if (entry[0] == '=' || strchr(entry, '=') == NULL)
            return place_failure(&place, err, "invalid environment variable: \"%.100s\"", entry);
    }
    keep_last(&spec->env, spec->arena);
    return 0;
}

const char *env_get(const struct process_spec *spec, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < spec->env.count; i++)
        if (strncmp(spec->env.items[i], name, length) == 0 && spec->env.items[i][length] == '=')
            return spec->env.items[i] + length + 1;
    return NULL;
}

void env_put(struct process_spec *spec, const char *fmt, ...)
{
    const char **items = arena_alloc(spec->arena, (spec->env.count + 2) * sizeof(*items));
    char text[LINE_SIZE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (size_t i = 0; i < spec->env.count; i++)
        items[i] = spec->env.items[i];
    items[spec->env.count++] = arena_str(spec->arena, text);
    spec->env.items = items;
    keep_last(&spec->env, spec->arena);
}

/* ---- HOME --------------------------------------------------------------------- */

/* name:password:uid:gid:comment:home:shell; the home when the uid is the one, else NULL. */
static char *home_in(char *line, uint32_t uid)
{
    char *fields[7] = { NULL }, *end;
    unsigned long number;
    int count = 0;

    line[strcspn(line, "\n")] = '\0';
    for (char *at = line; at != NULL && count < 7; count++)
        fields[count] = strsep(&at, ":");
    if (count < 6 || fields[2][0] < '0' || fields[2][0] > '9')
        return NULL;
    errno = 0;
    number = strtoul(fields[2], &end, 10);
    if (*end != '\0' || errno != 0 || number != uid || fields[5][0] == '\0')
        return NULL;
    return fields[5];
}

static void close_it(const int *file)
{
    if (*file >= 0)
        close(*file);
}

static FILE *passwd_open(void)
{
    const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                                  .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    CLEANUP(close_it) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int file = (int)syscall(SYS_openat2, root, "etc/passwd", &how, sizeof(how));
    struct stat status;
    FILE *stream;

    if (file < 0)
        return NULL;
    stream = fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
                     status.st_size <= (off_t)USERS_FILE_MAX
                 ? fdopen(file, "r")
                 : NULL;
    if (stream == NULL)
        close(file);
    return stream;
}

void env_put_home(struct process_spec *spec)
{
    const char *given = env_get(spec, "HOME"), *home = NULL;
    char line[LINE_SIZE];
    FILE *passwd;

    if (given != NULL && given[0] != '\0')
        return;
    passwd = passwd_open();
    while (passwd != NULL && home == NULL && fgets(line, sizeof(line), passwd) != NULL)
        home = strchr(line, '\n') != NULL || feof(passwd) ? home_in(line, spec->uid) : NULL;
    if (passwd != NULL)
        fclose(passwd);
    env_put(spec, "HOME=%s", home != NULL ? home : "/");
}
