/*
 * registry — one repository of one registry, as a job asks it (distribution-spec, the client's
 * side).
 *
 * Every call waits: these are for job threads, never for a service's loop.  A
 * `struct registry` may be used by several threads at once; the connections they
 * make are kept and shared, so open one per pull, not one per blob.
 *
 * The idea it rests on: a registry is somebody else's computer.  Whatever it
 * sends is bounded before it is stored, checked before it is believed, and cut off
 * when it comes too slowly; what may pass is tried again, and what it says about
 * a refusal reaches the user.  Credentials go to the configured host, or to the token service
 * that it names itself, and nowhere else, whoever asks for them (CVE-2020-15157).
 *
 * There are two ends of it, and programs link one.  The daemon's (registry.c) has a process ask,
 * gantry-fetch, and believes it no more than a stranger.  That process has the other
 * (registry/), built from: http (one request on one kept connection), redirect (where an answer
 * sends us), challenge and auth (what a 401 wants), retry (when to try again), fetch (these
 * together: one try), registry_errors (what it all means to a person).
 */
#ifndef ACTORS_IMAGES_REGISTRY_H
#define ACTORS_IMAGES_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"
#include "protocol/oci/digest.h"
#include "protocol/record.h"

#define REGISTRY_DOCUMENT_MAX (4u << 20) /* no manifest or index is larger */

struct registry;

/* All strings are copied.  Zero and NULL mean the default in brackets. */
struct registry_options {
    const char *host;       /* as in references: docker.io, quay.io, localhost:5000, [::1]:5000 */
    const char *repository; /* library/busybox; NULL: the registry itself, to log in alone */
    bool plain_http;        /* the user allowed it for this host; else https */
    const char *path;       /* of the API [/v2] */
    const char *named;      /* `host` is a mirror of this registry, and is told so (?ns=) [host] */
    const char *headers;    /* "Name: value", one a line: sent to `host` alone */
    const char *proxy;      /* whatever the environment says [what it says] */

    const char
        *blob_url; /* on `host`: where a blob is instead, for everybody; no 401 is answered */

    /* Sent to `host`, or to the token service that it names, and only after it asked. */
    const char *username; /* [anonymous] */
    const char *password;
    const char *identity_token; /* instead of both, to the token service: OAuth's refresh token */
    const char *registry_token; /* instead of everything: sent to `host` as it is */
    bool askable;               /* the callers of each request can say who (registry_caller.who) */

    const char *ca_file; /* PEM, several one a line: believed besides the system's authorities */
    const char *client_cert; /* PEM, several one a line: for registries that want one */
    const char *client_key;  /* PEM, as many lines; an empty one: inside the certificate's file */
    bool skip_verify;        /* believe any certificate */
    const char *user_agent;  /* [gantry/VERSION] */

    unsigned tries;       /* without progress between them [5] */
    unsigned backoff_ms;  /* before the second try; doubles up to 30 s, jittered [500] */
    unsigned wait_max_ms; /* a Retry-After beyond it ends the call at once [60000] */
    unsigned connect_ms;  /* for a connection with its handshake [30000] */
    unsigned slow_bytes;  /* fewer than these per second ... [100] */
    unsigned slow_s;      /* ... for so many seconds are a broken connection [30] */
};

/* What the user is known by at a host; of nothing: by nothing. */
struct registry_known {
    const char *username, *password;
    const char *identity_token, *registry_token; /* as in the options */
};

/* Whose name is wanted. */
struct registry_question {
    const char *host;       /* as in references */
    const char *registry;   /* it is, or stands for (a mirror) */
    const char *repository; /* there; "": none */
    bool again;             /* what was said before was good, and is not any more */
};

/* Who waits. */
struct registry_caller {
    /* Asked about ten times a second while waiting: -1 ends the call with that error. */
    int (*check)(void *ctx, struct error *err); /* may be NULL */
    /* A sentence for the log: a try that failed, a registry's Warning. */
    void (*note)(void *ctx, const char *text); /* may be NULL */
    /*
     * Who asks?  For a host that does not give this to everybody, and at most once for all
     * callers, again when what was said has stopped to be good.  1: `out`, in the arena; 0: nobody
     * is known there; -1 ends the call with that error.  Waits as long as it likes.
     */
    int (*who)(void *ctx, const struct registry_question *question, struct arena *arena,
               struct registry_known *out, struct error *err); /* may be NULL */
    void *ctx;
    /* The daemon's end: set with an error that gantry-fetch has told.  Others are about it, or
       about this machine, and not about the host. */
    bool *told; /* may be NULL */
};

/* Contacts nobody yet.  INVALID_ARGUMENT: a host or repository that is none.  NOT_FOUND:
   gantry-fetch is not installed. */
int registry_open(struct registry **registry, const struct registry_options *options,
                  struct error *err);
/* After the last call has returned; NULL is fine.  Sets it to NULL: for CLEANUP(). */
void registry_close(struct registry **registry);

/* host[:port] that is spoken to: registry-1.docker.io where references say docker.io. */
const char *registry_host(const struct registry *registry);

/* A manifest, an index, or whatever else the registry keeps under manifests/. */
struct registry_document {
    char *bytes; /* exactly as received, and a NUL behind them */
    size_t size;
    char media_type[128]; /* Content-Type without parameters, lower case; "" when not said */
    char digest[DIGEST_TEXT_SIZE]; /* of the bytes, verified */
};
void registry_document_free(struct registry_document *document); /* for CLEANUP() */

/*
 * Fetches a document by tag or by digest.  `size` is what its descriptor says, 0 when
 * there is none.  Asked by digest, the bytes must have that digest; asked by tag, the one
 * the registry names (sha256 when it names none).  `out` is freed by the caller.
 * Errors: NOT_FOUND, UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED (over
 * 4 MiB, or too many requests: then with retry_ms), UNAVAILABLE (with os where there was no
 * connection: another request would hear the same), DATA_LOSS (another digest
 * or size), INVALID_ARGUMENT (neither tag nor digest), and whatever check says.
 */
int registry_manifest(struct registry *registry, const struct registry_caller *caller,
                      const char *tag_or_digest, uint64_t size, struct registry_document *out,
                      struct error *err);

/* What logging in has shown. */
struct registry_login {
    bool asked;           /* it wanted to know who asks; else nothing was verified */
    char *identity_token; /* what a token service gives for the next time, instead of the password;
                             NULL: nothing */
};
void registry_login_free(struct registry_login *login); /* wipes; for CLEANUP() */

/*
 * Asks for nothing but an answer, with the credentials of the options if it wants some.  0: it
 * takes them.  Errors: UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND (no registry there),
 * UNAVAILABLE.
 */
int registry_login(struct registry *registry, const struct registry_caller *caller,
                   struct registry_login *out, struct error *err);

struct registry_blob {
    const char *digest;
    uint64_t size;   /* of the whole, from its descriptor */
    uint64_t offset; /* so many bytes are here already */
    uint64_t until;  /* the bytes before this one will do; others may come all the same [size] */
    bool part;       /* ... but then none behind `until` may, and no beginning anew */
    /*
     * Takes the next bytes; `at` is where the first of them belongs.  It follows on what came
     * before, except once in a while it is 0 again: then the bytes before are void.
     * -1 ends the call with that error.
     */
    int (*sink)(void *ctx, uint64_t at, const void *data, size_t size, struct error *err);
    void *ctx;
};

/*
 * Fetches a blob from `offset` to its end; cut connections are resumed where they broke.
 * On success the sink has had bytes up to exactly `size`, or to `until` and perhaps beyond.  The
 * digest is the caller's to check: it has the bytes before `offset`, and hashes while it writes.
 * Errors as registry_manifest; DATA_LOSS: the registry has more or fewer bytes than `size`;
 * UNIMPLEMENTED: it sends nothing but the whole where a part is wanted.
 */
int registry_blob(struct registry *registry, const struct registry_caller *caller,
                  const struct registry_blob *blob, struct error *err);

/* ---- sending ------------------------------------------------------------------------ */

/*
 * Larger blobs go in chunks, where the registry takes them: then a broken connection never costs
 * more than one.  Measured with docker-registry on loopback, 512 MiB: chunks of 64 MiB take 6 to 35
 * hundredths longer than one PUT, of 16 MiB half as long again.  Proxies that bound a body mostly
 * do so at 100 MB.
 */
#define REGISTRY_BIG   (512ull << 20)
#define REGISTRY_CHUNK (64ull << 20)

/* A blob that the registry shall have. */
struct registry_upload {
    const char *digest;
    uint64_t size;
    int file; /* open for reading, the blob from its beginning; -1: only see what goes without */
    const char *mount;   /* a repository of the same registry that may have it; NULL: none known */
    uint64_t big, chunk; /* [REGISTRY_BIG, REGISTRY_CHUNK] */
    void (*progress)(void *ctx, uint64_t done); /* about ten times a second; may be NULL */
    void *ctx;
};

enum registry_sent {
    SENT_NOTHING, /* it has it */
    SENT_MOUNTED, /* it has taken it from the other repository */
    SENT_BYTES,
    SENT_WANTED /* it has it not, and there is no file */
};

/*
 * Sees to it that the repository has the blob.  A cut connection is resumed where the registry says
 * it broke.  Errors as registry_manifest, and what the registry says of a blob that it does not
 * take: DATA_LOSS (another digest arrived), PERMISSION_DENIED, RESOURCE_EXHAUSTED.
 */
int registry_upload(struct registry *registry, const struct registry_caller *caller,
                    const struct registry_upload *upload, enum registry_sent *sent,
                    struct error *err);

/* A document that the registry shall keep under manifests/. */
struct registry_put {
    const char *name;       /* tag or digest */
    const char *digest;     /* of the bytes */
    const char *media_type; /* its Content-Type */
    uint64_t size;
    int file;          /* as above */
    bool only_missing; /* by digest: not if it is there */
    struct strs tags;  /* by digest: what else it shall be called, where the registry does that at
                          once; the first REGISTRY_TAGS are asked for */
};

#define REGISTRY_TAGS 10 /* so many at least take those that take any (distribution-spec) */

/* What the registry says of it. */
struct registry_kept {
    bool subject;  /* it is listed among its subject's referrers (OCI-Subject) */
    uint64_t tags; /* a bit for each of the tags that stand for it now (OCI-Tag) */
};

int registry_put(struct registry *registry, const struct registry_caller *caller,
                 const struct registry_put *put, struct registry_kept *kept, struct error *err);

/*
 * Which of the client's certificates are good for something, without asking anybody: a line for
 * each, `+` and whose it is, or `-` and what is wrong with it.
 */
int registry_certificates(struct registry *registry, const struct registry_caller *caller,
                          struct registry_document *out, struct error *err);

/* ---- lists, and removing ------------------------------------------------------------ */

struct registry_list {
    const char *subject;       /* a digest: what refers to it; NULL: the repository's tags */
    const char *artifact_type; /* of those alone, where the registry can; NULL: all */
    const char *after;         /* tags: those behind this one, which need not be there; NULL: all */
    uint64_t limit;            /* tags: no more [all] */
};

/*
 * All pages as one document: {"tags": [...]}, or an index of referrers.  NOT_FOUND: no such
 * repository, or the registry knows nothing of referrers.  RESOURCE_EXHAUSTED: over 4 MiB.
 * Tags are in the registry's order; of one that knows no pages, a part of the list is in the order
 * of bytes, so that the next part begins where this one ends.
 */
int registry_list(struct registry *registry, const struct registry_caller *caller,
                  const struct registry_list *list, struct registry_document *out,
                  struct error *err);

/* Removes a tag or a manifest; or a blob, by its digest.  UNIMPLEMENTED: the registry does not do
   that. */
int registry_delete(struct registry *registry, const struct registry_caller *caller,
                    const char *tag_or_digest, bool blob, struct error *err);

#endif
