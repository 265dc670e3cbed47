/* Foreign text for messages: bytes that are not plain become '?'. */
#include "protocol/oci/shown.h"

#include <stdbool.h>
#include <string.h>

#include "protocol/record.h"

#define SHOWN_MAX 64
#define CUT_MAX   61

const char *shown_bytes(const char *bytes, size_t size, struct shown *out)
{
    size_t kept = size > SHOWN_MAX ? CUT_MAX : size;
    bool is_text = kept == size && utf8_is_valid(bytes, size);

    for (size_t i = 0; i < kept; i++) {
        unsigned char c = (unsigned char)bytes[i];

        out->text[i] = c < 0x20 || c == 0x7f || (c >= 0x80 && !is_text) ? '?' : bytes[i];
    }
    out->text[kept] = '\0';
    if (kept < size)
        strcat(out->text, "...");
    return out->text;
}

const char *shown(const char *text, struct shown *out)
{
    return shown_bytes(text, strlen(text), out);
}
