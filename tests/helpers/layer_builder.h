/*
 * layer_builder — a layer in memory: a tar of given entries, packed, sound or damaged.
 *
 * Names are taken as they are, also those that try to escape.  What is made is the same bytes
 * every time.  Everything that fails ends the test.
 */
#ifndef TESTS_HELPERS_LAYER_BUILDER_H
#define TESTS_HELPERS_LAYER_BUILDER_H

#include <stddef.h>
#include <stdint.h>

struct built_blob {
    char *data;
    size_t size;
    char digest[72]; /* sha256:... of the data */
};
void blob_drop(struct built_blob *blob);
void blob_digest(const void *data, size_t size, char out[72]);

enum entry_type {
    ENTRY_FILE,
    ENTRY_FOLDER,
    ENTRY_SYMLINK,  /* text: where to */
    ENTRY_HARDLINK, /* text: path of the other name */
    ENTRY_CHARDEV,  /* major, minor */
    ENTRY_BLOCKDEV,
    ENTRY_FIFO,
};

struct layer_entry {
    const char *path;
    enum entry_type type;
    const char *text; /* a file's bytes, or a link's target */
    size_t size;      /* 0: strlen(text) */
    unsigned mode;    /* 0: 0644, folders 0755 */
    unsigned uid, gid;
    unsigned major, minor;
    int64_t mtime;     /* s; 0: 1700000000 */
    const char *xattr; /* its name; its value is ... */
    const char *xattr_value;
};

enum layer_packing { LAYER_GZIP, LAYER_ZSTD, LAYER_PLAIN };

enum layer_defect {
    LAYER_SOUND,
    LAYER_CUT_SHORT,        /* the packed bytes end too early */
    LAYER_TRAILING_GARBAGE, /* more bytes behind the packed ones */
    LAYER_BAD_CHECKSUM,     /* a bit of the packed bytes' end is wrong (gzip, zstd) */
    LAYER_CUT_TAR,          /* the tar inside ends within a file */
    LAYER_NO_TAR,           /* what is inside is no tar */
};

struct layer_plan {
    const struct layer_entry *entries;
    size_t entry_count;
    enum layer_packing packing;
    enum layer_defect defect;
};

struct built_layer {
    struct built_blob packed; /* as a registry serves it */
    struct built_blob tar;    /* its digest is the DiffID */
};
void layer_build(const struct layer_plan *plan, struct built_layer *layer);
void layer_drop(struct built_layer *layer);

#endif
