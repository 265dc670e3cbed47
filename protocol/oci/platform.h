/*
 * platform — what an image was built for, and which of several comes closest.
 *
 * Everybody spells platforms differently (x86_64, aarch64, armhf); here they are
 * normalised when they are made, so that two platforms are the same when their
 * texts are.  amd64 without variant is v1, arm64 without variant is v8.0, arm
 * without variant is v7.  Which other platforms a host can run, and in which
 * order they are liked, is one list per architecture: see platform_rank().
 */
#ifndef PROTOCOL_OCI_PLATFORM_H
#define PROTOCOL_OCI_PLATFORM_H

#include <stdbool.h>

#include "protocol/error.h"

#define PLATFORM_TEXT_SIZE 288

struct platform { /* a plain value; "" where not given */
    char os[32];
    char arch[32];
    char variant[32];
    char os_version[96];
    char os_features[64]; /* "+win32k+other": what the system must have */
};

/*
 * From the parts as a document or the machine gives them; NULL is "".  A part
 * too long for any real platform makes it one that matches nothing.
 */
struct platform platform_of(const char *os, const char *arch, const char *variant,
                            const char *os_version);

/* One more thing that the system must have; one that does not fit makes it match nothing. */
void platform_add_feature(struct platform *platform, const char *feature);

/* os[(osversion)]/arch[/variant], as users write it; +FEATUREs may stand behind the os version.
   INVALID_ARGUMENT. */
int platform_parse(const char *text, struct platform *out, struct error *err);

/* Back to that form, "" parts left out.  Returns `out`. */
const char *platform_text(const struct platform *platform, char out[PLATFORM_TEXT_SIZE]);

/*
 * How well `candidate` serves where `wanted` is what the host is or the user
 * said: 0 is best, -1 cannot be used.  amd64/vN: vN down to v1, then 386;
 * arm/vN: down to v5; arm64/v9.x: down to v9, then v8.(x+5) down to v8; arm64:
 * last arm/v8 down to v5.  An os version is compared only when one is wanted: Windows' as
 * windows_version.h has it, others must be the same.  Features that the candidate needs and that
 * were not wanted make it useless.
 */
int platform_rank(const struct platform *wanted, const struct platform *candidate);

/* Between two of the same rank: Windows' newer version is liked more, else neither is. */
bool platform_is_newer(const struct platform *candidate, const struct platform *than);

/* Neither os nor arch says anything: attestations are marked so. */
bool platform_is_unknown(const struct platform *platform);

#endif
