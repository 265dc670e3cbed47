/*
 * users — who a container's process is: names of an image turned into numbers.
 *
 * The passwd and group files come from the image and are hostile.  They are
 * read as bytes, in one pass, without building anything: a line that makes no
 * sense (a NUL, fields missing, an id out of range) is as if it were not
 * there, unless it is the very line that was asked for: then it is an error.
 * The first of several lines for one name or number counts, as in libc.
 *
 * Ids are 0 to 2147483647.  A larger number would wrap to another user, even
 * to root, in a program that holds it in an int (CVE-2024-40635).
 */
#ifndef PROTOCOL_OCI_USERS_H
#define PROTOCOL_OCI_USERS_H

#include <stdint.h>

#include "protocol/record.h"

#define USERS_FILE_MAX   (10u << 20) /* bytes; a larger file is refused */
#define USERS_GROUPS_MAX 10000       /* groups of one user; more are refused */
#define USERS_ADD_MAX    100         /* entries of group_add; more are refused */
#define USERS_ID_MAX     2147483647u

struct user_files {
    struct bin passwd; /* data NULL: the image has no such file */
    struct bin group;
};

struct user_ids {
    uint32_t uid;
    uint32_t gid;
    size_t gid_count;
    uint32_t *gids;   /* supplementary: the primary one first (CVE-2023-25173), then by number */
    const char *home; /* from passwd, else "/" */
};

/*
 * `text` is the image's or the user's: "user", "uid", "user:group", "uid:gid",
 * "uid:group", "user:gid"; NULL or "" is root.  What consists of digits is a
 * number, never a name.  Groups that the group file gives the user count only
 * where `text` names no group; `group_add` (names or numbers) always.
 *
 * What `ids` points to is in the arena.  Waits for nothing.
 * Errors: INVALID_ARGUMENT (form, range), NOT_FOUND (a name that the file does
 * not have), RESOURCE_EXHAUSTED (the bounds above).
 */
int users_resolve(const char *text, const struct user_files *files, const struct strs *group_add,
                  struct arena *arena, struct user_ids *ids, struct error *err);

#endif
