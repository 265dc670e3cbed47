/* form — every byte that is no letter, digit or one of - . _ ~ becomes %XX (RFC 3986, 2.3). */
#include "actors/images/registry/form.h"

#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"

void form_open(struct form *form)
{
    *form = (struct form){ .text = calloc(1, FORM_SIZE) };
    form->full = form->text == NULL;
}

void form_drop(struct form *form)
{
    if (form->text != NULL)
        memory_wipe(form->text, FORM_SIZE);
    free(form->text);
    form->text = NULL;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

static void put(struct form *form, char c)
{
    if (form->full || form->used + 1 >= FORM_SIZE)
        form->full = true;
    else
        form->text[form->used++] = c;
}

static void put_encoded(struct form *form, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (is_plain(*text)) {
            put(form, *text);
            continue;
        }
        put(form, '%');
        put(form, digits[byte >> 4]);
        put(form, digits[byte & 15]);
    }
}

void form_add(struct form *form, const char *key, const char *value)
{
    if (form->used > 0)
        put(form, '&');
    put_encoded(form, key);
    put(form, '=');
    put_encoded(form, value);
}
