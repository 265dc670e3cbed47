/* Packets between the daemon and gantry-shim.  The short form of a data packet is a map with
   the keys stream, end (only when set) and bytes (only when there are), in this order. */
#include "protocol/shim_wire.h"

#include <string.h>

void shim_packet_add(enum shim_packet kind, const void *record, struct buffer *out)
{
    const struct record *table = kind == SHIM_HELLO ? shim_hello_record()
                                 : kind == SHIM_ASK ? shim_ask_record()
                                 : kind == SHIM_TELL ? shim_tell_record()
                                                     : shim_data_record();
    const char byte = (char)kind;

    buffer_add(out, &byte, 1);
    record_pack(table, record, out);
}

/* ---- writing --------------------------------------------------------------- */

static char *put(char *at, const void *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

static char *put_text(char *at, const char *text)
{
    size_t length = strlen(text);

    *at++ = (char)(0xa0 | length); /* fixstr: these are all short */
    return put(at, text, length);
}

static char *put_bin_head(char *at, size_t size)
{
    *at++ = (char)0xc5; /* bin 16 */
    *at++ = (char)(size >> 8);
    *at++ = (char)size;
    return at;
}

size_t shim_data_head(const char *stream, size_t size, bool is_last, char head[SHIM_HEAD_MAX])
{
    char *at = head;

    *at++ = SHIM_DATA;
    *at++ = (char)(0x80 | (1 + (is_last ? 1 : 0) + (size > 0 ? 1 : 0)));
    at = put_text(put_text(at, "stream"), stream);
    if (is_last) {
        at = put_text(at, "end");
        *at++ = (char)0xc3;
    }
    if (size > 0)
        at = put_bin_head(put_text(at, "bytes"), size);
    return (size_t)(at - head);
}

/* ---- reading --------------------------------------------------------------- */

struct scan {
    const unsigned char *at;
    const unsigned char *end;
};

static bool skip(struct scan *scan, const void *bytes, size_t size)
{
    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, bytes, size) != 0)
        return false;
    scan->at += size;
    return true;
}

static const char *scan_stream(struct scan *scan)
{
    if (!skip(scan, "\xa6" "stream", 7))
        return NULL;
    if (skip(scan, "\xa6" "stdout", 7))
        return "stdout";
    if (skip(scan, "\xa6" "stderr", 7))
        return "stderr";
    return skip(scan, "\xa5" "stdin", 6) ? "stdin" : NULL;
}

static bool scan_bytes(struct scan *scan, struct bin *bytes)
{
    if (!skip(scan, "\xa5" "bytes\xc5", 7) || scan->end - scan->at < 2)
        return false;
    bytes->size = (size_t)(scan->at[0] << 8 | scan->at[1]);
    bytes->data = scan->at + 2;
    if ((size_t)(scan->end - scan->at) - 2 < bytes->size)
        return false;
    scan->at += 2 + bytes->size;
    return true;
}

/* Whether the packet is of the short form exactly. */
static bool scan_data(struct scan scan, struct shim_data *data)
{
    size_t fields = 1;
    unsigned char announced;

    *data = (struct shim_data){ 0 };
    if (scan.at == scan.end)
        return false;
    announced = *scan.at++;
    if ((data->stream = scan_stream(&scan)) == NULL)
        return false;
    if (skip(&scan, "\xa3" "end\xc3", 5)) {
        data->end = data->has_end = true;
        fields++;
    }
    if (scan.at < scan.end) {
        if (!scan_bytes(&scan, &data->bytes))
            return false;
        fields++;
    }
    return scan.at == scan.end && announced == (0x80 | fields);
}

int shim_data_read(const void *packet, size_t size, struct shim_data *data, struct arena *arena,
                   struct error *err)
{
    const unsigned char *bytes = packet;

    if (size == 0 || bytes[0] != SHIM_DATA)
        return error_set(err, ERROR_INVALID_ARGUMENT, "packet is not data");
    if (scan_data((struct scan){ bytes + 1, bytes + size }, data))
        return 0;
    return record_unpack(shim_data_record(), RECORD_LENIENT, bytes + 1, size - 1, data, arena, err);
}
