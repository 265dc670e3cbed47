/*
 * name — what people and programs may call things.
 *
 * Image references as docker users write them, made full; identifiers, labels
 * and container names with containerd's and docker's grammars and limits.  All
 * checks are by hand over bounded text: no regular expressions, no allocation,
 * and what passes is safe in a path, a URL and a log line.
 */
#ifndef PROTOCOL_OCI_NAME_H
#define PROTOCOL_OCI_NAME_H

#include "protocol/error.h"
#include "protocol/oci/digest.h"
#include "protocol/record.h"

/* ---- image references ------------------------------------------------------ */

#define REFERENCE_NAME_MAX  255 /* host, slash and repository together */
#define REFERENCE_TAG_MAX   128
#define REFERENCE_TEXT_SIZE 784 /* any struct reference as text, with its NUL */

/*
 * docker.io/library/busybox:latest, taken apart.  A plain value: copy it freely.
 * At least one of tag and digest is set; with both, the digest decides and the
 * tag is what people read.
 */
struct reference {
    char host[REFERENCE_NAME_MAX + 1];       /* as in the name: docker.io, localhost:5000 */
    char repository[REFERENCE_NAME_MAX + 1]; /* library/busybox */
    char tag[REFERENCE_TAG_MAX + 1];         /* "" when none */
    char digest[DIGEST_TEXT_SIZE];           /* "" when none; always usable */
};

/*
 * host[:port]/name[:tag][@digest].  The first part is a host when it holds a dot
 * or a colon or is localhost; else the name is docker.io's, and library/ is put
 * before a name of one part.  index.docker.io is docker.io; hosts are made
 * lower-case; the tag is latest where neither tag nor digest is given.
 * Errors: INVALID_ARGUMENT; UNIMPLEMENTED for a digest that cannot be verified.
 */
int reference_parse(const char *text, struct reference *out, struct error *err);

/* The text says itself which registry it means. */
bool reference_names_registry(const char *text);

/* The full form, which reference_parse() takes back to the same reference.  Returns `out`. */
const char *reference_text(const struct reference *reference, char out[REFERENCE_TEXT_SIZE]);

/* The full form without tag and digest: docker.io/library/busybox.  Returns `out`. */
const char *reference_name(const struct reference *reference, char out[REFERENCE_TEXT_SIZE]);

/* Who is asked: host, or registry-1.docker.io for docker.io. */
const char *reference_registry(const struct reference *reference);

/* What is asked for: the digest, else the tag. */
const char *reference_object(const struct reference *reference);

/* The host with its port is this very machine: localhost, 127.0.0.0/8 or [::1]. */
bool host_is_loopback(const char *host);

/* ---- identifiers, names, labels ---------------------------------------------- */

#define IDENTIFIER_MAX     76   /* characters (containerd) */
#define CONTAINER_NAME_MAX 128  /* characters */
#define VOLUME_NAME_MAX    255  /* characters: it is the name of a folder */
#define LABEL_MAX          4096 /* bytes of key and value together (containerd) */

/*
 * [A-Za-z0-9]+([._-][A-Za-z0-9]+)*: ids, namespaces.  `what` opens the message:
 * "namespace", "container id".  INVALID_ARGUMENT.
 */
int identifier_check(const char *what, const char *text, struct error *err);

/* [a-zA-Z0-9][a-zA-Z0-9_.-]+, as docker has it.  INVALID_ARGUMENT. */
int container_name_check(const char *text, struct error *err);

/* [a-zA-Z0-9][a-zA-Z0-9_.-]*.  INVALID_ARGUMENT. */
int volume_name_check(const char *text, struct error *err);

/* A key, and key and value not over LABEL_MAX.  INVALID_ARGUMENT. */
int label_check(const char *key, const char *value, struct error *err);
int labels_check(const struct map *labels, struct error *err); /* each of them */

#endif
