/*
 * recent — what the images that containers were last made of consist of.
 *
 * What an image's target leads to never changes, so it need not be read again for every
 * container; only whether its snapshot is still there has to be looked at.  A few answers of
 * images.unpack are kept, as they went out.  The actor's own thread alone uses them.
 */
#ifndef ACTORS_IMAGES_RECENT_H
#define ACTORS_IMAGES_RECENT_H

#include "protocol/schema.h"

#define RECENT_COUNT     8
#define RECENT_SIZE_MAX  65536 /* bytes of one answer; images beyond are read each time */

struct recent {
    struct {
        char namespace[80], digest[160], platform[80];
        struct buffer reply; /* packed; empty: no entry */
    } entries[RECENT_COUNT];
    unsigned next;
};

/* Takes the bytes. */
void recent_put(struct recent *recent, const char *namespace, const char *digest, const char *platform,
                struct buffer *reply);
/* False: it is not here.  `platform` as in the request, NULL: the host's. */
bool recent_find(const struct recent *recent, const char *namespace, const char *digest, const char *platform,
                 struct images_inspect_reply *reply, struct arena *arena);
void recent_free(struct recent *recent);

#endif
