/*
 * layers — blobs into the store and snapshots out of them.
 *
 * Every layer is a child job: it downloads its blob (if it is not here) and has it
 * unpacked behind the download's watermark, apart from its parents.  When all are
 * done the layers are stitched and committed in chain order, after one sync of the
 * file system.  What was finished when a pull fails is committed all the same.
 */
#ifndef ACTORS_IMAGES_LAYERS_H
#define ACTORS_IMAGES_LAYERS_H

#include "actors/images/images.h"
#include "actors/images/variant.h"

/*
 * Brings the variant's layers here, and its snapshots unless `no_unpack`.  With no
 * supply in the source, blobs must be here already.
 */
int layers_take(struct source *source, const struct images_config *config, const char *driver,
                bool no_unpack, struct variant *variant, struct error *err);

/* The config leads to the snapshots, as after a pull.  There must be a layer. */
int snapshots_keep(struct job *job, const struct variant *variant, const char *driver,
                   struct error *err);

#endif
