/* passwd and group files of images: spans over bytes, nothing copied but what is asked for. */
#include "protocol/oci/users.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/oci/shown.h"

#define PASSWD_FIELDS     7 /* name:password:uid:gid:comment:home:shell */
#define PASSWD_FIELDS_MIN 4
#define GROUP_FIELDS      4 /* name:password:gid:members */
#define GROUP_FIELDS_MIN  3

struct span {
    const char *at;
    size_t size;
};

/* A line of passwd that was found. */
struct entry {
    struct span name, uid, gid, home;
};

/* ---- spans ------------------------------------------------------------------ */

static bool span_is(struct span span, struct span other)
{
    return span.size == other.size && (span.size == 0 || !memcmp(span.at, other.at, span.size));
}

static struct span span_of(const char *text)
{
    return (struct span){ text, strlen(text) };
}

/* Cuts what stands before `mark` off the front of `rest`; false when `rest` is used up. */
static bool span_cut(struct span *rest, char mark, struct span *part)
{
    const char *end;

    if (rest->at == NULL)
        return false;
    end = rest->size > 0 ? memchr(rest->at, mark, rest->size) : NULL;
    if (end == NULL) {
        *part = *rest;
        *rest = (struct span){ NULL, 0 };
        return true;
    }
    *part = (struct span){ rest->at, (size_t)(end - rest->at) };
    *rest = (struct span){ end + 1, rest->size - part->size - 1 };
    return true;
}

static bool is_digits(struct span span)
{
    for (size_t i = 0; i < span.size; i++)
        if (span.at[i] < '0' || span.at[i] > '9')
            return false;
    return span.size > 0;
}

/* 0, or -1 when it is not a number from 0 to USERS_ID_MAX. */
static int id_parse(struct span span, uint32_t *id)
{
    uint64_t value = 0;

    if (!is_digits(span))
        return -1;
    for (size_t i = 0; i < span.size; i++) {
        value = value * 10 + (uint64_t)(span.at[i] - '0');
        if (value > USERS_ID_MAX)
            return -1;
    }
    *id = (uint32_t)value;
    return 0;
}

/* The next line that has at least `least` fields; missing ones are empty. */
static bool next_line(struct span *rest, struct span *fields, size_t most, size_t least)
{
    struct span line;

    while (span_cut(rest, '\n', &line)) {
        size_t count = 0;

        if (line.size == 0 || line.at[0] == '#' || memchr(line.at, '\0', line.size) != NULL)
            continue;
        if (line.at[line.size - 1] == '\r')
            line.size--;
        memset(fields, 0, most * sizeof(*fields));
        while (count < most && span_cut(&line, ':', &fields[count]))
            count++;
        if (count >= least && fields[0].size > 0)
            return true;
    }
    return false;
}

/* ---- the two files ------------------------------------------------------------ */

static struct span file_span(const struct bin *file)
{
    return (struct span){ file->data, file->data == NULL ? 0 : file->size };
}

static void entry_of(const struct span fields[PASSWD_FIELDS], struct entry *entry)
{
    *entry = (struct entry){ fields[0], fields[2], fields[3], fields[5] };
}

static bool passwd_by_name(const struct bin *file, struct span name, struct entry *entry)
{
    struct span rest = file_span(file), fields[PASSWD_FIELDS];

    while (next_line(&rest, fields, PASSWD_FIELDS, PASSWD_FIELDS_MIN))
        if (span_is(fields[0], name)) {
            entry_of(fields, entry);
            return true;
        }
    return false;
}

static bool passwd_by_uid(const struct bin *file, uint32_t uid, struct entry *entry)
{
    struct span rest = file_span(file), fields[PASSWD_FIELDS];
    uint32_t found;

    while (next_line(&rest, fields, PASSWD_FIELDS, PASSWD_FIELDS_MIN))
        if (id_parse(fields[2], &found) == 0 && found == uid && id_parse(fields[3], &found) == 0) {
            entry_of(fields, entry);
            return true;
        }
    return false;
}

static int missing(const char *what, struct span name, const struct bin *file, const char *path,
                   struct error *err)
{
    struct shown text;

    shown_bytes(name.at, name.size, &text);
    if (file->data == NULL)
        return error_set(err, ERROR_NOT_FOUND,
                         "%s '%s': the image has no %s; use a number instead of a name", what,
                         text.text, path);
    return error_set(err, ERROR_NOT_FOUND,
                     "%s '%s': not in the image's %s; use a name that is there, or a number", what,
                     text.text, path);
}

static int out_of_range(const char *what, struct span id, const char *where, struct error *err)
{
    struct shown text;

    return error_set(err, ERROR_INVALID_ARGUMENT, "%s '%s'%s: ids are numbers from 0 to %u", what,
                     shown_bytes(id.at, id.size, &text), where, USERS_ID_MAX);
}

static int group_id(struct span group, const struct bin *file, uint32_t *gid, struct error *err)
{
    struct span rest = file_span(file), fields[GROUP_FIELDS];

    if (is_digits(group))
        return id_parse(group, gid) == 0 ? 0 : out_of_range("group", group, "", err);
    while (next_line(&rest, fields, GROUP_FIELDS, GROUP_FIELDS_MIN))
        if (span_is(fields[0], group))
            return id_parse(fields[2], gid) == 0
                       ? 0
                       : out_of_range("group id", fields[2], " in the image's /etc/group", err);
    return missing("group", group, file, "/etc/group", err);
}

/* ---- sets of groups ----------------------------------------------------------- */

static int groups_add(struct buffer *gids, uint32_t gid, struct error *err)
{
    if (gids->size / sizeof(gid) >= USERS_GROUPS_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED,
                         "the image's /etc/group puts the user into more than %d groups; name the "
                         "group as well (user:group)",
                         USERS_GROUPS_MAX);
    buffer_add(gids, &gid, sizeof(gid));
    return 0;
}

static bool is_member(struct span members, struct span name)
{
    struct span member;

    while (span_cut(&members, ',', &member))
        if (span_is(member, name))
            return true;
    return false;
}

static int groups_of_member(const struct bin *file, struct span name, struct buffer *gids,
                            struct error *err)
{
    struct span rest = file_span(file), fields[GROUP_FIELDS];
    uint32_t gid;

    while (next_line(&rest, fields, GROUP_FIELDS, GROUP_FIELDS_MIN)) {
        if (!is_member(fields[3], name) || id_parse(fields[2], &gid) < 0)
            continue;
        if (groups_add(gids, gid, err) < 0)
            return -1;
    }
    return 0;
}

static int groups_of_option(const struct strs *names, const struct bin *file, struct buffer *gids,
                            struct error *err)
{
    uint32_t gid;

    if (names == NULL)
        return 0;
    if (names->count > USERS_ADD_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "group_add: %zu groups; %d at most",
                         names->count, USERS_ADD_MAX);
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i][0] == '\0')
            return error_set(err, ERROR_INVALID_ARGUMENT, "group_add: a group is a name or number");
        if (group_id(span_of(names->items[i]), file, &gid, err) < 0)
            return error_wrap(err, "group_add");
        if (groups_add(gids, gid, err) < 0)
            return -1;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The primary group, then the others by number, each once. */
static void groups_set(struct user_ids *ids, struct buffer *gids, struct arena *arena)
{
    size_t count = gids->size / sizeof(uint32_t);
    const uint32_t *found = (const void *)gids->data;

    if (count > 1)
        qsort(gids->data, count, sizeof(uint32_t), by_number);
    ids->gids = arena_alloc(arena, (count + 1) * sizeof(uint32_t));
    ids->gids[0] = ids->gid;
    ids->gid_count = 1;
    for (size_t i = 0; i < count; i++)
        if (found[i] != ids->gid && (i == 0 || found[i] != found[i - 1]))
            ids->gids[ids->gid_count++] = found[i];
}

/* ---- who it is ---------------------------------------------------------------- */

/* Sets uid, gid and home of the user part; `entry.name` stays empty where passwd has nobody. */
static int user_find(struct span user, const struct bin *file, struct user_ids *ids,
                     struct entry *entry, struct error *err)
{
    if (is_digits(user)) {
        if (id_parse(user, &ids->uid) < 0)
            return out_of_range("user", user, "", err);
        if (passwd_by_uid(file, ids->uid, entry))
            return id_parse(entry->gid, &ids->gid);
        return 0; /* a number needs no entry; its group is 0, as in docker */
    }
    if (!passwd_by_name(file, user, entry))
        return missing("user", user, file, "/etc/passwd", err);
    if (id_parse(entry->uid, &ids->uid) < 0)
        return out_of_range("user id", entry->uid, " in the image's /etc/passwd", err);
    if (id_parse(entry->gid, &ids->gid) < 0)
        return out_of_range("group id", entry->gid, " in the image's /etc/passwd", err);
    return 0;
}

static void home_set(struct user_ids *ids, struct span home, struct arena *arena)
{
    bool fits =
        home.size > 0 && home.size < 4096 && home.at[0] == '/' && utf8_is_valid(home.at, home.size);

    ids->home = fits ? arena_copy(arena, home.at, home.size) : "/"; /* zeroed: NUL behind */
}

static int form_split(const char *text, struct span *user, struct span *group, struct error *err)
{
    struct span rest = span_of(text);
    struct shown form;

    *group = (struct span){ NULL, 0 };
    span_cut(&rest, ':', user);
    span_cut(&rest, ':', group);
    if (rest.at != NULL || (user->size == 0 && group->at != NULL))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "user '%s': say user, uid, user:group or uid:gid", shown(text, &form));
    if (user->size == 0)
        *user = span_of("0");
    return 0;
}

static int files_check(const struct user_files *files, struct error *err)
{
    if (files->passwd.size > USERS_FILE_MAX || files->group.size > USERS_FILE_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED,
                         "the image's %s is larger than %u bytes; use numbers (uid:gid) and an "
                         "image with a smaller file",
                         files->passwd.size > USERS_FILE_MAX ? "/etc/passwd" : "/etc/group",
                         USERS_FILE_MAX);
    return 0;
}

static int groups_find(struct span group, const struct entry *entry, const struct user_files *files,
                       const struct strs *group_add, struct user_ids *ids, struct buffer *gids,
                       struct error *err)
{
    if (group.size > 0) {
        if (group_id(group, &files->group, &ids->gid, err) < 0)
            return -1;
    } else if (entry->name.size > 0) {
        if (groups_of_member(&files->group, entry->name, gids, err) < 0)
            return -1;
    }
    return groups_of_option(group_add, &files->group, gids, err);
}

int users_resolve(const char *text, const struct user_files *files, const struct strs *group_add,
                  struct arena *arena, struct user_ids *ids, struct error *err)
{
    struct entry entry = { 0 };
    struct span user, group;
    struct buffer gids = { 0 };
    int failed;

    *ids = (struct user_ids){ 0 };
    if (files_check(files, err) < 0 || form_split(text ? text : "", &user, &group, err) < 0 ||
        user_find(user, &files->passwd, ids, &entry, err) < 0)
        return -1;
    failed = groups_find(group, &entry, files, group_add, ids, &gids, err);
    if (!failed) {
        groups_set(ids, &gids, arena);
        home_set(ids, entry.home, arena);
    }
    buffer_free(&gids);
    return failed;
}
