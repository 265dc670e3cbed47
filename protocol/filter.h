/*
 * filter — containerd's filter language, over any record.
 *
 *      name==redis                          a field is this
 *      labels."com.example/tier"!=db        a map's entry is not that, or not there
 *      target.digest~=^sha256:ab            a pattern (protocol/pattern.h) is found in it
 *      labels.keep                          it is there and not empty
 *      status==running,image~="redis|valkey"  a comma is "and"
 *
 * Several filters are "or"; an empty filter is true of everything, and so is an
 * empty list of filters.  A path goes by the names of the schema through nested
 * records and lists (any of their items) into maps, where the rest of the path is
 * the key.  Parts with other characters than letters, digits, _ - and / are quoted.
 * Values end at a comma or blank unless they are quoted: with "", or a pattern with
 * // or ||.  Numbers are written in decimal, times as in JSON, bools true or false.
 *
 * The filters come from clients: their number and lengths are bounded, and matching
 * takes time in proportion to filters and record.
 */
#ifndef PROTOCOL_FILTER_H
#define PROTOCOL_FILTER_H

#include "protocol/record.h"

#define FILTERS_MAX       64   /* filters at once */
#define FILTER_LENGTH_MAX 4096 /* bytes of one */
#define FILTER_TERMS_MAX  32   /* between its commas */

struct filters;

/* In the arena.  INVALID_ARGUMENT names the filter, the byte and what was expected. */
int filters_parse(const struct strs *texts, struct filters **out, struct arena *arena,
                  struct error *err);

/* INVALID_ARGUMENT when a path begins with a field that the record does not have. */
int filters_check(const struct filters *filters, const struct record *record, struct error *err);

/* NULL filters match everything.  `instance` is a struct of the record. */
bool filters_match(const struct filters *filters, const struct record *record,
                   const void *instance);

#endif
