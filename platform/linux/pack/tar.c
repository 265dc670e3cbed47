/* tar — see tar.h. */
#include "platform/linux/pack/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "platform/scope.h"
#include "protocol/record.h"

#define BLOCK 512

/* POSIX.1-2008, pax: ustar interchange format. */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

/* What a field of so many octal digits holds. */
static bool fits(uint64_t value, unsigned digits)
{
    return value >> (3 * digits) == 0;
}

static void octal(char *field, unsigned digits, uint64_t value)
{
    for (unsigned i = digits; i > 0; i--, value >>= 3)
        field[i - 1] = (char)('0' + (value & 7));
}

static char type_of(const struct tar_entry *entry)
{
    if (entry->is_link)
        return '1';
    switch (entry->mode & S_IFMT) {
    case S_IFDIR:
        return '5';
    case S_IFLNK:
        return '2';
    case S_IFCHR:
        return '3';
    case S_IFBLK:
        return '4';
    case S_IFIFO:
        return '6';
    default:
        return '0';
    }
}

/* A text that does not fit is in a record; what stands here is its end, for those who cannot read
   records. */
static void text_put(char *field, size_t room, const char *text)
{
    size_t length = strlen(text);

    if (length > room)
        text += length - room;
    memcpy(field, text, length < room ? length : room);
}

static void header_sum(struct header *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    unsigned sum = 0;

    memset(header->sum, ' ', sizeof(header->sum));
    for (size_t i = 0; i < sizeof(*header); i++)
        sum += bytes[i];
    octal(header->sum, 6, sum);
    header->sum[6] = '\0';
}

static int header_put(struct sink *sink, const struct tar_entry *entry, char type, uint64_t size,
                      struct error *err)
{
    struct header header = { .type = type };
    int64_t mtime = entry->mtime.tv_sec;

    text_put(header.name, sizeof(header.name), entry->path);
    octal(header.mode, 7, entry->mode & 07777);
    octal(header.uid, 7, fits(entry->uid, 7) ? entry->uid : 0);
    octal(header.gid, 7, fits(entry->gid, 7) ? entry->gid : 0);
    octal(header.size, 11, fits(size, 11) ? size : 0);
    octal(header.mtime, 11, mtime >= 0 && fits((uint64_t)mtime, 11) ? (uint64_t)mtime : 0);
    if (entry->target != NULL)
        text_put(header.link, sizeof(header.link), entry->target);
    memcpy(header.magic, "ustar", 6);
    memcpy(header.version, "00", 2);
    octal(header.major, 7, major(entry->device));
    octal(header.minor, 7, minor(entry->device));
    header_sum(&header);
    return sink_bytes(sink, &header, sizeof(header), err);
}

/* ---- records --------------------------------------------------------------------------- */

static size_t digits_of(size_t value)
{
    size_t digits = 1;

    for (; value >= 10; value /= 10)
        digits++;
    return digits;
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static void record_add(struct buffer *records, const char *prefix, const char *key,
                       const void *value, size_t size)
{
    size_t rest = 1 + strlen(prefix) + strlen(key) + 1 + size + 1, length = rest + digits_of(rest);
    char text[32];

    length = rest + digits_of(length);
    snprintf(text, sizeof(text), "%zu ", length);
    buffer_add(records, text, strlen(text));
    buffer_add(records, prefix, strlen(prefix));
    buffer_add(records, key, strlen(key));
    buffer_add(records, "=", 1);
    buffer_add(records, value, size);
    buffer_add(records, "\n", 1);
}

static void text_record(struct buffer *records, const char *key, const char *text)
{
    record_add(records, "", key, text, strlen(text));
}

static void number_record(struct buffer *records, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    text_record(records, key, text);
}

/* Seconds with a fraction as short as it can be; a time before 1970 counts backwards. */
static void time_record(struct buffer *records, const struct timespec *time)
{
    bool is_before = time->tv_sec < 0;
    int64_t seconds = is_before ? -(int64_t)time->tv_sec : time->tv_sec;
    long fraction = time->tv_nsec;
    char text[48];
    size_t length;

    if (is_before && fraction != 0) {
        seconds--;
        fraction = 1000000000 - fraction;
    }
    length = (size_t)snprintf(text, sizeof(text), "%s%" PRId64 ".%09ld", is_before ? "-" : "",
                              seconds, fraction);
    while (text[length - 1] == '0')
        text[--length] = '\0';
    if (text[length - 1] == '.')
        text[length - 1] = '\0';
    text_record(records, "mtime", text);
}

static int xattr_record(struct buffer *records, const struct tar_xattr *xattr, struct error *err)
{
    if (strchr(xattr->name, '=') != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "attribute %.100s: a tar cannot carry a name with '='", xattr->name);
    record_add(records, "SCHILY.xattr.", xattr->name, xattr->value, xattr->size);
    return 0;
}

static int records_make(const struct tar_entry *entry, struct buffer *records, struct error *err)
{
    int64_t seconds = entry->mtime.tv_sec;

    if (entry->target != NULL && strlen(entry->target) > sizeof(((struct header *)0)->link))
        text_record(records, "linkpath", entry->target);
    if (!fits(entry->gid, 7))
        number_record(records, "gid", entry->gid);
    if (entry->mtime.tv_nsec != 0 || seconds < 0 || !fits((uint64_t)seconds, 11))
        time_record(records, &entry->mtime);
    if (strlen(entry->path) > sizeof(((struct header *)0)->name))
        text_record(records, "path", entry->path);
    if (!fits(entry->size, 11))
        number_record(records, "size", entry->size);
    if (!fits(entry->uid, 7))
        number_record(records, "uid", entry->uid);
    for (size_t i = 0; i < entry->xattr_count; i++)
        if (xattr_record(records, &entry->xattrs[i], err) < 0)
            return -1;
    return 0;
}

static int records_put(struct sink *sink, const struct tar_entry *entry,
                       const struct buffer *records, struct error *err)
{
    const char *slash =
        entry->path[0] != '\0' ? memrchr(entry->path, '/', strlen(entry->path) - 1) : NULL;
    char path[101];
    struct tar_entry about = { .path = path, .mode = S_IFREG | 0644 };

    snprintf(path, sizeof(path), "PaxHeaders.0/%.80s", slash != NULL ? slash + 1 : entry->path);
    if (header_put(sink, &about, 'x', records->size, err) < 0 ||
        sink_bytes(sink, records->data, records->size, err) < 0)
        return -1;
    return tar_pad(sink, records->size, err);
}

/* ---- entries ----------------------------------------------------------------------------- */

int tar_header(struct sink *sink, const struct tar_entry *entry, struct error *err)
{
    CLEANUP(buffer_free) struct buffer records = { 0 };

    if (records_make(entry, &records, err) < 0 ||
        (records.size > 0 && records_put(sink, entry, &records, err) < 0))
        return -1;
    return header_put(sink, entry, type_of(entry), entry->size, err);
}

int tar_pad(struct sink *sink, uint64_t size, struct error *err)
{
    return sink_zero(sink, (BLOCK - size % BLOCK) % BLOCK, err);
}

int tar_end(struct sink *sink, struct error *err)
{
    return sink_zero(sink, 2 * BLOCK, err);
}
