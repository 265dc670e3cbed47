/*
 * page — the rows of one answer to a list.
 *
 * A page ends at its limit or at PAGE_BYTES, whichever comes first, and says so with
 * `more`; the caller asks again behind the last key.  A statement is stepped only as
 * far as the page goes, so no read transaction is longer than that.
 */
#ifndef ACTORS_BASE_PAGE_H
#define ACTORS_BASE_PAGE_H

#include "protocol/filter.h"
#include "protocol/record.h"

#define PAGE_ROWS  500
#define PAGE_BYTES (1u << 20)

struct page {
    struct list list; /* for the reply */
    bool more;
    struct arena *arena;
    size_t room, item_size, bytes;
    uint64_t limit;
    struct filters *filters; /* NULL: all */
    const struct record *record;
};

/* `limit` 0: PAGE_ROWS. */
void page_open(struct page *page, struct arena *arena, size_t item_size, uint64_t limit);
/* Only items that one of the filters matches; `record` is what they are.  INVALID_ARGUMENT. */
int page_filter(struct page *page, const struct strs *filters, const struct record *record,
                struct error *err);
bool page_is_full(struct page *page); /* and if so, there is more */
/* Adds a copy of the item, if the filters let it pass; `labels` (may be NULL) weigh, too. */
void page_add(struct page *page, const void *item, const struct map *labels);

#endif
