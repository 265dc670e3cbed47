/* Names of hosts, and the files that hold them: nothing foreign can start a line of its own. */
#include "protocol/oci/hosts.h"

#include <stdio.h>
#include <string.h>

#include "protocol/oci/shown.h"

#define SHORT_ID        12
#define NAME_MAX_LENGTH 253 /* of a domain name, RFC 1035 */

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits, '-', '.', '_'; a letter or digit at both ends; no empty label. */
static bool name_is_valid(const char *name, size_t length, size_t most)
{
    if (length == 0 || length > most || !is_letter_or_digit(name[0]) ||
        !is_letter_or_digit(name[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_letter_or_digit(name[i]) && strchr("-._", name[i]) == NULL)
            return false;
        if (name[i] == '\0' || (name[i] == '.' && name[i + 1] == '.'))
            return false;
    }
    return true;
}

/* Ids end in a letter or digit, but their beginning may not. */
static void name_of_id(const char *id, char out[HOSTNAME_SIZE])
{
    size_t length = strnlen(id, SHORT_ID);

    while (length > 1 && !is_letter_or_digit(id[length - 1]))
        length--;
    memcpy(out, id, length);
    out[length] = '\0';
}

int hostname_choose(const char *wanted, const char *of_host, const char *id,
                    char out[HOSTNAME_SIZE], struct error *err)
{
    struct shown name;

    if (wanted == NULL || wanted[0] == '\0') {
        if (of_host != NULL && name_is_valid(of_host, strlen(of_host), HOSTNAME_SIZE - 1))
            strcpy(out, of_host);
        else
            name_of_id(id, out);
        return 0;
    }
    if (!name_is_valid(wanted, strlen(wanted), HOSTNAME_SIZE - 1))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "hostname '%s': up to %d letters, digits, '-', '.' and '_', with a letter "
                         "or digit at both ends",
                         shown(wanted, &name), HOSTNAME_SIZE - 1);
    strcpy(out, wanted);
    return 0;
}

/* ---- addresses ---------------------------------------------------------------- */

/* "0" to "255", no leading zero; what follows it in *end. */
static bool octet_is_valid(const char *at, const char **end)
{
    size_t digits = strspn(at, "0123456789");
    int value = 0;

    if (digits == 0 || digits > 3 || (digits > 1 && at[0] == '0'))
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (at[i] - '0');
    *end = at + digits;
    return value <= 255;
}

static bool is_ipv4(const char *at)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0 && *at++ != '.')
            return false;
        if (!octet_is_valid(at, &at))
            return false;
    }
    return *at == '\0';
}

/* Eight groups of one to four hex digits; "::" once for those that are left out; the last two
   may be written as IPv4.  No zone: it would mean another interface inside. */
static bool is_ipv6(const char *at)
{
    size_t groups = 0, digits;
    bool skipped = false;

    if (at[0] == ':' && at[1] != ':')
        return false;
    while (*at != '\0') {
        if (at[0] == ':' && at[1] == ':') {
            if (skipped)
                return false;
            skipped = true;
            at += 2;
            if (*at == ':')
                return false;
            continue;
        }
        if (*at == ':') {
            if (at[1] == '\0')
                return false;
            at++;
        }
        if (groups <= 6 && strchr(at, ':') == NULL && is_ipv4(at))
            return skipped ? groups + 2 < 8 : groups + 2 == 8;
        digits = strspn(at, "0123456789abcdefABCDEF");
        if (digits == 0 || digits > 4 || ++groups > 8)
            return false;
        at += digits;
        if (*at != ':' && *at != '\0')
            return false;
    }
    return skipped ? groups < 8 : groups == 8;
}

/* ---- files -------------------------------------------------------------------- */

static void add_text(struct buffer *out, const char *text)
{
    buffer_add(out, text, strlen(text));
}

static void add_line(struct buffer *out, const char *address, const char *names, size_t size)
{
    add_text(out, address);
    add_text(out, "\t");
    buffer_add(out, names, size);
    add_text(out, "\n");
}

void hostname_text(const char *hostname, struct buffer *out)
{
    add_text(out, hostname);
    add_text(out, "\n");
}

/* "[::1]" without its brackets, as some write it behind a colon. */
static const char *bare_address(const char *address, char out[64])
{
    size_t length = strlen(address);

    if (length < 3 || length >= 64 || address[0] != '[' || address[length - 1] != ']')
        return address;
    memcpy(out, address + 1, length - 2);
    out[length - 2] = '\0';
    return out;
}

static int entry_add(const char *entry, struct buffer *out, struct error *err)
{
    const char *colon = strchr(entry, ':'), *address;
    struct shown text;
    char room[64];

    if (colon == NULL || !name_is_valid(entry, (size_t)(colon - entry), NAME_MAX_LENGTH))
        return error_set(err, ERROR_INVALID_ARGUMENT, "add_host '%s': say NAME:ADDRESS",
                         shown(entry, &text));
    address = bare_address(colon + 1, room);
    if (!is_ipv4(address) && !is_ipv6(address))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "add_host '%s': what follows the name is no IPv4 or IPv6 address",
                         shown(entry, &text));
    add_line(out, address, entry, (size_t)(colon - entry));
    return 0;
}

int hosts_text(const char *hostname, const struct bin *of_host, const struct strs *add_host,
               struct buffer *out, struct error *err)
{
    if (of_host != NULL && of_host->size > 0) {
        buffer_add(out, of_host->data, of_host->size);
        if (out->data[out->size - 1] != '\n')
            add_text(out, "\n");
    } else {
        add_text(out, "127.0.0.1\tlocalhost\n"
                      "::1\tlocalhost ip6-localhost ip6-loopback\n"
                      "fe00::0\tip6-localnet\n"
                      "ff00::0\tip6-mcastprefix\n"
                      "ff02::1\tip6-allnodes\n"
                      "ff02::2\tip6-allrouters\n");
    }
    add_line(out, "127.0.0.1", hostname, strlen(hostname));
    for (size_t i = 0; add_host != NULL && i < add_host->count; i++)
        if (entry_add(add_host->items[i], out, err) < 0)
            return -1;
    return 0;
}
