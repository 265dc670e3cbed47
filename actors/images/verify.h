/* verify — whether an image may come in: the operator's programs are asked (verifiers.folder). */
#ifndef ACTORS_IMAGES_VERIFY_H
#define ACTORS_IMAGES_VERIFY_H

#include "actors/base/job.h"

/* `name` is a reference; verifiers hear its full form.  FAILED_PRECONDITION names the verifier, and
   says what it said (no later try will succeed: nothing is kept for one).  Without verifiers
   everything may. */
int image_verify(struct job *job, const char *name, const struct descriptor *target,
                 struct error *err);

#endif
