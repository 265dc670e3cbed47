/*
 * deferred — what a layer cannot know before its parents are complete.
 *
 * Two things: which attributes a folder has that the layer does not name, and
 * where a hard link leads whose target is not in the layer.  A folder is made
 * 0755 root:root and marked; a link is an empty file, marked with its number in
 * the list.  The mark decides: when a later entry replaces the thing, the mark
 * goes with it, and the line in the list means nothing any more.
 *
 * The list is the file `deferred` in the layer folder, and only there when it
 * has lines: "F" PATH NUL, or "L" PATH NUL TARGET NUL, or "A" PATH NUL: this
 * entry made no sense alone; unpack the layer again with the parents in sight.
 */
#ifndef UNPACK_DEFERRED_H
#define UNPACK_DEFERRED_H

#include "platform/linux/unpack/tree.h"

struct deferred; /* opaque */

/* `layer`: the open layer folder. */
struct deferred *deferred_new(int layer, struct error *err);
int deferred_folder(struct deferred *deferred, struct folder *folder, struct error *err);
/* The root: marked, and counted, but not in the list: its parent is known without looking. */
int deferred_root(struct deferred *deferred, struct folder *root, struct error *err);
/* Puts the placeholder; `target` is clean. */
int deferred_link(struct deferred *deferred, struct tree *tree, struct folder *parent,
                  const char *name, const char *target, struct error *err);
int deferred_doubt(struct deferred *deferred, const char *path, struct error *err);
/* Is this a placeholder? */
bool deferred_is_link(struct deferred *deferred, struct folder *folder, const char *name);
/* Lines so far. */
uint64_t deferred_count(const struct deferred *deferred);
/* Writes what is not written yet. */
int deferred_flush(struct deferred *deferred, struct error *err);

/* Reads the list: each line's kind (F, L, A), number (from 1), path, and target if it is L. */
typedef int deferred_fn(void *ctx, char kind, uint64_t number, const char *path, const char *target,
                        struct error *err);
int deferred_each(int layer, deferred_fn *each, void *ctx, struct error *err);
/* The list is done with. */
int deferred_remove(int layer, struct error *err);

/* The layer removes the parents' folder of this name: nothing is wanted of them any more. */
int deferred_waive(struct folder *folder, struct error *err);

/* Removes a folder's mark and says which it was. */
enum mark { MARK_NONE, MARK_WANTED, MARK_WAIVED };
int deferred_unmark(struct folder *folder, enum mark *mark, struct error *err);
/* Has the placeholder this number? */
bool deferred_has_number(struct folder *folder, const char *name, uint64_t number);

#endif
