/*
 * ranges — a big blob over several connections.
 *
 * One connection is often slower than the network: its share of a busy link, a limit of the
 * registry's, a long way (REG-5).  So a big blob begins with one, and when that one left us waiting
 * most of the time, the rest is fetched in parts by several.  Each part goes into a file without a
 * name until those before it are here, so whoever takes the bytes sees what one connection would
 * give: in order, hashed and unpacked as they come, and an ingest that a crash leaves is good as
 * far as it goes.  Where it does not pay, or a host does not send parts, one connection fetches the
 * rest.
 */
#ifndef ACTORS_IMAGES_RANGES_H
#define ACTORS_IMAGES_RANGES_H

#include "actors/images/images.h"
#include "actors/images/supply.h"

/* As supply_blob(). */
int ranges_blob(struct supply *supply, struct job *job, const struct images_config *config,
                const struct registry_blob *blob, struct supply_trip *trip, struct error *err);

#endif
