/* See recent.h. */
#include "actors/images/recent.h"

#include <stdio.h>
#include <string.h>

static const char *word(const char *platform)
{
    return platform != NULL ? platform : "";
}

void recent_put(struct recent *recent, const char *namespace, const char *digest, const char *platform,
                struct buffer *reply)
{
    unsigned at = recent->next++ % RECENT_COUNT;

    if (reply->size > RECENT_SIZE_MAX || strlen(namespace) >= sizeof(recent->entries[at].namespace) ||
        strlen(digest) >= sizeof(recent->entries[at].digest) ||
        strlen(word(platform)) >= sizeof(recent->entries[at].platform)) {
        buffer_free(reply);
        return;
    }
    buffer_free(&recent->entries[at].reply);
    strcpy(recent->entries[at].namespace, namespace);
    strcpy(recent->entries[at].digest, digest);
    strcpy(recent->entries[at].platform, word(platform));
    recent->entries[at].reply = *reply;
    *reply = (struct buffer){ 0 };
}

bool recent_find(const struct recent *recent, const char *namespace, const char *digest, const char *platform,
                 struct images_inspect_reply *reply, struct arena *arena)
{
    struct error ignored;

    for (size_t i = 0; i < RECENT_COUNT; i++) {
        const struct buffer *packed = &recent->entries[i].reply;

        if (packed->size > 0 && strcmp(recent->entries[i].namespace, namespace) == 0 &&
            strcmp(recent->entries[i].digest, digest) == 0 &&
            strcmp(recent->entries[i].platform, word(platform)) == 0)
            return record_unpack(images_inspect_reply_record(), RECORD_LENIENT, packed->data, packed->size, reply,
                                 arena, &ignored) == 0;
    }
    return false;
}

void recent_free(struct recent *recent)
{
    for (size_t i = 0; i < RECENT_COUNT; i++)
        buffer_free(&recent->entries[i].reply);
}
