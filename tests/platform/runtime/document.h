/* document — a piece of config.json to read from, for tests. */
#ifndef TESTS_RUNTIME_DOCUMENT_H
#define TESTS_RUNTIME_DOCUMENT_H

#include <string.h>

#include "platform/linux/runtime/place.h"
#include "protocol/oci/draft.h"

static json_t *document_json;
static struct error err;

static inline struct place document_of(const char *text)
{
    json_decref(document_json);
    document_json = draft_read(text, strlen(text), &err);
    if (document_json == NULL)
        fail_msg("%s", err.text);
    return place_document(document_json);
}

#endif
