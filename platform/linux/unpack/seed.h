/*
 * seed — fills a volume that is empty with what an image has at a path.
 *
 * The path comes from the image, and so do the links on its way: it is looked up inside
 * the image's root, where `..` and absolute links end up inside too (CVE-2022-23648 was a volume
 * path that did not).
 *
 * A volume's folder holds data/, and while it is being filled seed/, which is incomplete: who
 * comes after a crash empties it and begins anew.  What is complete and on the disk is renamed
 * to seeded/, out of which things go into data/ one by one; that can be taken up where it stopped.
 * What a container has put into data/ meanwhile stays.
 */
#ifndef UNPACK_SEED_H
#define UNPACK_SEED_H

#include <stdbool.h>

#include "protocol/error.h"

/* From the folder `source` of the merged image `lower`; one that is not there is nothing to do.
   INVALID_ARGUMENT: it is no folder.  With `sync` all is on the disk afterwards.  What may be
   left of seeded/ is of no use. */
int seed(int lower, const char *source, int volume, bool sync, struct error *err);

#endif
