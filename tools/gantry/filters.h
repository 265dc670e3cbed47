/*
 * filters — what docker users write behind --filter, in the protocol's filter language.
 *
 * KEY=VALUE with a key of the table becomes a selector; anything with an operator of the
 * language (==, !=, ~=) is handed on as it is.  Different keys must all match, of the same
 * key one is enough.
 */
#ifndef TOOLS_GANTRY_FILTERS_H
#define TOOLS_GANTRY_FILTERS_H

#include "protocol/record.h"
#include "tools/gantry/args.h"

struct filter_key {
    const char *name;
    const char *selector; /* with %s for the quoted value */
    bool is_pattern;      /* the value becomes a regular expression that finds it anywhere */
};

extern const struct filter_key filter_container_keys[]; /* end with an empty one */
extern const struct filter_key filter_image_keys[];
extern const struct filter_key filter_volume_keys[];

int filters_of_words(const struct strs *words, const struct filter_key *keys, struct strs *filters,
                     struct arena *arena, struct error *err);
/* From the option --filter. */
int filters_of_args(const struct args *args, const struct filter_key *keys, struct strs *filters,
                    struct arena *arena, struct error *err);

#endif
