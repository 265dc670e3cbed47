/*
 * digest — the names of content: "sha256:" and 64 hex digits.
 *
 * Two questions are kept apart (image-spec descriptor.md).  digest_check(): is
 * the text a digest at all?  Documents may carry digests of algorithms nobody
 * here knows, and are stored as they are.  digest_is_usable(): can content be
 * verified against it?  Only then may it be fetched, opened or become part of a
 * path; what is usable holds nothing but [a-z0-9:].
 */
#ifndef PROTOCOL_OCI_DIGEST_H
#define PROTOCOL_OCI_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/error.h"

#define DIGEST_TEXT_SIZE  136 /* "sha512:", 128 digits and the NUL: any usable digest */
#define DIGEST_LENGTH_MAX 255 /* of digests by algorithms that are not known */

/* INVALID_ARGUMENT unless the text follows the grammar; sha256 and sha512 must be exact. */
int digest_check(const char *text, struct error *err);

/* sha256 or sha512, lower-case hex digits of the right number.  NULL is not. */
bool digest_is_usable(const char *text);

/* digest_check(), then UNIMPLEMENTED when the algorithm cannot be verified. */
int digest_require(const char *text, struct error *err);

/* Behind the colon. */
const char *digest_hex(const char *digest);

/* A hash that is fed piece by piece.  CLEANUP(digester_drop) struct digester d = { 0 }; */
struct digester {
    void *state; /* of the algorithm; NULL: closed */
    char algorithm[8];
};

/* `algorithm` is "sha256", "sha512" or a digest by one of them; UNIMPLEMENTED for others. */
int digester_open(struct digester *digester, const char *algorithm, struct error *err);
void digester_add(struct digester *digester, const void *bytes, size_t size);
/* The digest of all that was added; the digester is closed, also on failure. */
int digester_finish(struct digester *digester, char text[DIGEST_TEXT_SIZE], struct error *err);
void digester_drop(struct digester *digester);

/* All at once; `algorithm` as in digester_open(). */
int digest_of(const char *algorithm, const void *bytes, size_t size, char out[DIGEST_TEXT_SIZE],
              struct error *err);

/* DATA_LOSS unless the bytes hash to `digest`, which must be usable (else as digest_require). */
int digest_verify(const char *digest, const void *bytes, size_t size, struct error *err);

/*
 * The chain id of a layer on top of `parent` (image-spec config.md): the layer's
 * diff id alone where there is no parent (NULL or ""), else the sha256 of both
 * with a blank between.  `out` may be `parent`.  Both must be usable.
 */
int chain_id_next(const char *parent, const char *diff_id, char out[DIGEST_TEXT_SIZE],
                  struct error *err);

#endif
