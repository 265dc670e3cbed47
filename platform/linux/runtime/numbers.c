/* numbers — lists such as "0-3,7" of cpuset(7): processors, memory nodes. */
#include <string.h>

#include "platform/linux/runtime/process_parts.h"

#define WORD_BITS (8 * sizeof(unsigned long))

static int one_number(const char **at, unsigned *number)
{
    if (**at < '0' || **at > '9')
        return -1;
    for (*number = 0; **at >= '0' && **at <= '9'; ++*at) {
        *number = *number * 10 + (unsigned)(**at - '0');
        if (*number >= NUMBERS_MAX)
            return -1;
    }
    return 0;
}

int numbers_parse(const char *text, struct numbers *numbers)
{
    memset(numbers, 0, sizeof(*numbers));
    for (;; text++) {
        unsigned first, last;

        if (one_number(&text, &first) < 0)
            return -1;
        last = first;
        if (*text == '-' && (text++, one_number(&text, &last) < 0 || last < first))
            return -1;
        for (unsigned i = first; i <= last; i++)
            numbers->words[i / WORD_BITS] |= 1ul << i % WORD_BITS;
        if (*text == '\0')
            return 0;
        if (*text != ',')
            return -1;
    }
}
