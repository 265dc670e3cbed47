/* folders — what tree.c and walk.c need of the cache besides tree.h. */
#ifndef UNPACK_FOLDERS_H
#define UNPACK_FOLDERS_H

#include "platform/linux/unpack/tree.h"

/* The slot of this path, NULL when it is not open. */
struct folder *folder_cached(struct tree *tree, const char *path, size_t length);
/* Puts an open folder into a slot; takes `fd` in any case. */
int folder_keep(struct tree *tree, int fd, const char *path, size_t length, struct folder **folder,
                struct error *err);
/* Closes it and gives it its time. */
int folder_release(struct folder *folder, struct error *err);
/* Closes it only. */
void folder_forget(struct folder *folder);
/* The folder with this path is removed, with all in it; or all in it is. */
void folders_forget_below(struct tree *tree, const char *path);
void folders_forget_inside(struct tree *tree, const char *path);

#endif
