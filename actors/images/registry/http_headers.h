/* http_headers — the few header lines of an answer that anybody here reads. */
#ifndef ACTORS_IMAGES_REGISTRY_HTTP_HEADERS_H
#define ACTORS_IMAGES_REGISTRY_HTTP_HEADERS_H

#include "actors/images/registry/http.h"

/* Takes one line as it came, line end included.  A status line begins the answer anew
   (what an interim answer said is void).  Values that are too long count as absent. */
void http_headers_add(struct http_answer *answer, const char *line, size_t size);

/* "bytes 5-9/10", or a star for the total; -1 for anything else, and for ranges that cannot be. */
int content_range_parse(const char *value, uint64_t *first, uint64_t *last, int64_t *total);

/* "0-9": ten bytes of an upload have arrived.  -1 for what is no such range. */
int upload_range_parse(const char *value, uint64_t *done);

/* A decimal number and nothing else. */
bool header_number(const char *value, uint64_t *out);

/* How long the server asks to wait: seconds, or a date set against `now_ns`.  At most a day;
   0 for dates gone by and for what is neither. */
uint64_t retry_after_ms(const char *value, int64_t now_ns);

#endif
