/* Detach keys; see keys.h. */
#include "tools/gantry/keys.h"

#include <string.h>

static int key_of(const char *word, size_t length, unsigned char *key)
{
    static const char upper[] = "@abcdefghijklmnopqrstuvwxyz[\\]^_";
    const char *found;

    if (length == 1) {
        *key = (unsigned char)word[0];
        return 0;
    }
    if (length != 6 || strncmp(word, "ctrl-", 5) != 0)
        return -1;
    found = strchr(upper, word[5] >= 'A' && word[5] <= 'Z' ? word[5] - 'A' + 'a' : word[5]);
    if (found == NULL || *found == '\0')
        return -1;
    *key = (unsigned char)(found - upper);
    return 0;
}

int keys_set(struct keys *keys, const char *text, struct error *err)
{
    const char *at = text != NULL ? text : "ctrl-p,ctrl-q";

    *keys = (struct keys){ 0 };
    if (*at == '\0')
        return 0;
    for (;;) {
        size_t length = strcspn(at, ",");

        if (keys->count == KEYS_MAX || key_of(at, length, &keys->sequence[keys->count]) < 0)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "--detach-keys: '%.60s' is not a list of keys like ctrl-p,ctrl-q",
                             text);
        keys->count++;
        at += length;
        if (*at == '\0')
            return 0;
        at++;
    }
}

bool keys_pass(struct keys *keys, const char *bytes, size_t size, char *passed, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < size; i++) {
        if (keys->count > 0 && (unsigned char)bytes[i] == keys->sequence[keys->matched]) {
            if (++keys->matched == keys->count)
                return true;
            continue;
        }
        /* What was held back was typed for the container; this key may begin anew. */
        memcpy(passed + *count, keys->sequence, keys->matched);
        *count += keys->matched;
        keys->matched = 0;
        if (keys->count > 0 && (unsigned char)bytes[i] == keys->sequence[0]) {
            keys->matched = 1;
            if (keys->count == 1)
                return true;
            continue;
        }
        passed[(*count)++] = bytes[i];
    }
    return false;
}
