/* certificate — a certificate for loopback, signed by itself, in files of a folder of its own. */
#ifndef TESTS_HELPERS_CERTIFICATE_H
#define TESTS_HELPERS_CERTIFICATE_H

#include <stdbool.h>

struct certificate {
    char folder[64];
    char cert_file[96]; /* PEM */
    char key_file[96];  /* PEM */
};

/* `name` NULL: localhost, 127.0.0.1 and ::1.  Ends the test when it cannot be made. */
void certificate_make(struct certificate *certificate, const char *name, bool expired);
void certificate_drop(struct certificate *certificate); /* removes the files */

#endif
