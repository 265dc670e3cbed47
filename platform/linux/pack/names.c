/* names — see names.h. */
#include "platform/linux/pack/names.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct listed { /* the kernel's own: struct linux_dirent64 */
    uint64_t inode;
    int64_t next;
    unsigned short length;
    unsigned char type;
    char name[];
};

static int add(struct names *names, const char *name, struct error *err)
{
    size_t length = strlen(name) + 1;

    if (names->room - names->size < length) {
        size_t room = 2 * names->room + length + 512;
        char *text = realloc(names->text, room);

        if (text == NULL)
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for a folder's names");
        names->text = text;
        names->room = room;
    }
    memcpy(names->text + names->size, name, length);
    names->size += length;
    names->count++;
    return 0;
}

static int batch_add(struct names *names, const char *batch, size_t size, struct error *err)
{
    const struct listed *listed;

    for (size_t at = 0; at < size; at += listed->length) {
        listed = (const struct listed *)(const void *)(batch + at);
        if (strcmp(listed->name, ".") != 0 && strcmp(listed->name, "..") != 0 &&
            add(names, listed->name, err) < 0)
            return -1;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int sort(struct names *names, struct error *err)
{
    const char *at = names->text;

    if (names->count == 0)
        return 0;
    names->items = malloc(names->count * sizeof(*names->items));
    if (names->items == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for a folder's names");
    for (size_t i = 0; i < names->count; i++, at += strlen(at) + 1)
        names->items[i] = at;
    qsort(names->items, names->count, sizeof(*names->items), by_name);
    return 0;
}

int names_read(int folder, struct names *names, struct error *err)
{
    _Alignas(8) char batch[16384];
    long got;

    *names = (struct names){ 0 };
    if (folder < 0)
        return 0;
    if (lseek(folder, 0, SEEK_SET) < 0)
        return error_sys(err, errno, "read a folder");
    while ((got = syscall(SYS_getdents64, folder, batch, sizeof(batch))) > 0)
        if (batch_add(names, batch, (size_t)got, err) < 0)
            return -1;
    if (got < 0)
        return error_sys(err, errno, "read a folder");
    return sort(names, err);
}

bool names_have(const struct names *names, const char *name)
{
    return names->count > 0 &&
           bsearch(&name, names->items, names->count, sizeof(*names->items), by_name) != NULL;
}

void names_free(struct names *names)
{
    free(names->text);
    free(names->items);
    *names = (struct names){ 0 };
}
