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

const char *plain_text(const char *in, size_t size, char *out, size_t room)
{
    size_t used = 0;
    bool space = true; /* runs of blanks become one, none at the start */

    for (size_t i = 0; i < size && used + 1 < room; i++) {
        unsigned char c = (unsigned char)in[i];
        bool blank = c == ' ' || (c >= '\t' && c <= '\r');

        if (blank && space)
            continue;
        space = blank;
        out[used++] = blank ? ' ' : c > ' ' && c < 0x7f ? (char)c : '?';
    }
    if (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
    return out;
}
