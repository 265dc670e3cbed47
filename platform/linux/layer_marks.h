/*
 * layer_marks — the extended attributes by which layers say what files alone cannot.
 *
 * Overlay reads trusted.* ones, which only the initial user namespace may set.  In another one it is
 * mounted with `userxattr`, and reads user.* ones instead (Documentation/filesystems/overlayfs.rst);
 * our own marks follow.  Everybody who sets, reads or leaves one out has its name from here.
 */
#ifndef PLATFORM_LINUX_LAYER_MARKS_H
#define PLATFORM_LINUX_LAYER_MARKS_H

#include <stdbool.h>

struct layer_marks {
    const char *option;  /* for mounting overlays; NULL: none is needed */
    const char *opaque;  /* overlay's: what the parents have in this folder is hidden */
    const char *implied; /* on a folder that the layer does not name: its attributes are the
                            parents' business */
    const char *link;    /* on what holds the place of a hard link; see unpack/deferred.h */
};

/* Those of the namespace we are in.  Asked for the first time while /proc is in sight. */
const struct layer_marks *layer_marks(void);
/* One of overlay's or ours, in whichever namespace it was set. */
bool layer_marks_have(const char *attribute);
/* We are not in the initial user namespace: user_namespaces(7). */
bool in_user_namespace(void);

#endif
