/*
 * inventory — what lies in a tree, written down, and compared with it later.
 *
 * A line for every file and folder of a layer that will not change any more: its path, a hash of what it is (type, mode,
 * owner, time, links, attributes) and one of its bytes.  They are there to find damage: what a disk, a repair
 * of a file system or a person has changed; they do not withstand who wants to deceive.  The times of
 * folders and the labels of security modules are left out: neither is the layer's.
 *
 * Both calls read the whole tree, so they may wait.
 */
#ifndef PLATFORM_INVENTORY_H
#define PLATFORM_INVENTORY_H

#include "platform/platform.h"

/* Asked now and then: -1 ends it. */
struct inventory_pace {
    int (*go_on)(void *ctx, struct error *err);
    void *ctx;
};

/* Replaces `file`; a power cut leaves the old one, none, or one that is known to be incomplete. */
int inventory_take(const char *folder, const char *file, const struct inventory_pace *pace, struct error *err);

/* Calls `each` for everything that is not as it was: "is missing", "was not there", "has other bytes", ...; -1 from it ends
   the comparison.  NOT_FOUND: there is no inventory; DATA_LOSS: it is damaged itself. */
typedef int inventory_difference(void *ctx, const char *path, const char *problem, struct error *err);
int inventory_compare(const char *folder, const char *file, const struct inventory_pace *pace,
                      inventory_difference *each, void *ctx, struct error *err);

#endif
