/* compare_fixture — are two trees of random layers the same, to a user who looks at everything? */
#ifndef TESTS_COMPARE_FIXTURE_H
#define TESTS_COMPARE_FIXTURE_H

#include "tests/platform/unpack_layer.h"

struct pairs { /* inodes of one view and what they are in the other */
    uint64_t a[4096], b[4096];
    unsigned count;
    bool whole; /* the one is a tree by itself: a file has fewer names where another replaced one */
};

static void compare_inodes(struct pairs *pairs, const struct stat *a, const struct stat *b,
                           const char *path)
{
    for (unsigned i = 0; i < pairs->count; i++)
        if ((pairs->a[i] == a->st_ino) != (pairs->b[i] == b->st_ino))
            fail_msg("%s: shares its file with others in one view only", path);
    pairs->a[pairs->count] = a->st_ino;
    pairs->b[pairs->count++] = b->st_ino;
}

static void compare_stat(const char *path, const char *one, const char *two, struct pairs *pairs)
{
    struct stat a = stat_of(one), b = stat_of(two);
    char x[256] = { 0 }, y[256] = { 0 };

    if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid)
        fail_msg("%s: %o %u:%u, reference %o %u:%u", path, a.st_mode, a.st_uid, a.st_gid, b.st_mode,
                 b.st_uid, b.st_gid);
    if (a.st_mtim.tv_sec != b.st_mtim.tv_sec || a.st_mtim.tv_nsec != b.st_mtim.tv_nsec)
        fail_msg("%s: time %lld, reference %lld", path, (long long)a.st_mtim.tv_sec,
                 (long long)b.st_mtim.tv_sec);
    if (S_ISREG(a.st_mode) || S_ISDIR(a.st_mode)) {
        ssize_t i = lgetxattr(one, "user.k", x, 255), j = lgetxattr(two, "user.k", y, 255);

        if (i != j || strcmp(x, y) != 0)
            fail_msg("%s: attribute \"%s\", reference \"%s\"", path, x, y);
    }
    if (S_ISDIR(a.st_mode))
        return;
    compare_inodes(pairs, &a, &b, path);
    if (!pairs->whole && a.st_nlink != b.st_nlink)
        fail_msg("%s: %d names, reference %d", path, (int)a.st_nlink, (int)b.st_nlink);
    if (S_ISLNK(a.st_mode)) {
        memset(x, 0, sizeof(x));
        memset(y, 0, sizeof(y));
        if (readlink(one, x, 255) < 0 || readlink(two, y, 255) < 0 || strcmp(x, y) != 0)
            fail_msg("%s: leads to %s, reference %s", path, x, y);
    }
    if (S_ISREG(a.st_mode)) {
        struct error err;
        char *text = fs_read(two, 64, NULL, &err);

        expect_text(one, text);
        free(text);
    }
}

static void compare(const char *path, const char *one, const char *two, struct pairs *pairs)
{
    static const char names[] = "abcd";
    char inner[64], a[512], b[512];

    compare_stat(path, one, two, pairs);
    for (const char *c = names; S_ISDIR(stat_of(one).st_mode) && *c != '\0'; c++) {
        snprintf(inner, sizeof(inner), "%s/%c", path, *c);
        snprintf(a, sizeof(a), "%s/%c", one, *c);
        snprintf(b, sizeof(b), "%s/%c", two, *c);
        if (is_there(a) != is_there(b))
            fail_msg("%s: is %sthere, reference otherwise", inner, is_there(a) ? "" : "not ");
        if (is_there(a))
            compare(inner, a, b, pairs);
    }
}

#endif
