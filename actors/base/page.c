/* Pages: an array in the request's arena that doubles. */
#include "actors/base/page.h"

#include <string.h>

#include "protocol/filter.h"

void page_open(struct page *page, struct arena *arena, size_t item_size, uint64_t limit)
{
    *page = (struct page){ .arena = arena, .item_size = item_size, .limit = limit };
    if (page->limit == 0 || page->limit > PAGE_BYTES)
        page->limit = limit == 0 ? PAGE_ROWS : PAGE_BYTES;
}

int page_filter(struct page *page, const struct strs *filters, const struct record *record,
                struct error *err)
{
    if (filters->count == 0)
        return 0;
    page->record = record;
    if (filters_parse(filters, &page->filters, page->arena, err) < 0)
        return -1;
    return filters_check(page->filters, record, err);
}

bool page_is_full(struct page *page)
{
    page->more = page->list.count >= page->limit || page->bytes >= PAGE_BYTES;
    return page->more;
}

void page_add(struct page *page, const void *item, const struct map *labels)
{
    if (!filters_match(page->filters, page->record, item))
        return;
    if (page->list.count == page->room) {
        void *grown;

        page->room = page->room > 0 ? 2 * page->room : 16;
        grown = arena_alloc(page->arena, page->room * page->item_size);
        if (page->list.count > 0)
            memcpy(grown, page->list.items, page->list.count * page->item_size);
        page->list.items = grown;
    }
    memcpy((char *)page->list.items + page->list.count++ * page->item_size, item, page->item_size);
    page->bytes += 2 * page->item_size;
    for (size_t i = 0; labels != NULL && i < labels->count; i++)
        page->bytes += strlen(labels->entries[i].key) + strlen(labels->entries[i].value);
}
