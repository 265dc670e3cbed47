/*
 * local_tree — the user's own files as a tar, and a container's tar into the user's files.
 *
 * What comes out of a container is a stranger's: its names and links may lead anywhere.  So a tar
 * is unpacked below one open folder, no link on the way is followed, whoever has made it, and
 * set-id bits, owners and devices are only taken over where the user wants them.
 */
#ifndef PLATFORM_LOCAL_TREE_H
#define PLATFORM_LOCAL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform/platform.h"
#include "protocol/record.h"

enum local_kind { LOCAL_NONE, LOCAL_FOLDER, LOCAL_OTHER };

struct local_info {
    enum local_kind kind; /* links are followed */
    bool is_link;         /* the path's end, if no slash is behind it */
    char real[PATH_SIZE]; /* where it really is; "": nothing is there */
};

int local_look(const char *path, struct local_info *info, struct error *err);

/* `name` is what the first entry is called, `.` for a folder's contents alone.  `follow`: a link at
   the path's end.  Owners are root's, unless `keep` wants the files' own. */
struct local_pack {
    const char *path, *name;
    bool follow, keep;
    int (*write)(void *ctx, const void *bytes, size_t size, struct error *err);
    void *ctx;
};
int local_pack(const struct local_pack *pack, struct error *err);

/* The entries' first name becomes `name`; `.`: what is below it goes into the folder itself. */
struct local_unpack {
    const char *folder, *name;
    bool keep; /* owners, set-id bits and devices, too */
    int64_t (*read)(void *ctx, const void **bytes, struct error *err); /* 0: the end */
    void *ctx;
    uint64_t left_out; /* devices that were not made */
};
int local_unpack(struct local_unpack *unpack, struct error *err);

/* Carries out mounts (records mount) on a folder of this machine; what was made of them goes when one
   fails.  PERMISSION_DENIED: only root may. */
int local_mount(const char *folder, const struct list *mounts, struct error *err);
/* Takes away all that is mounted there.  NOT_FOUND: nothing is. */
int local_umount(const char *folder, struct error *err);

#endif
