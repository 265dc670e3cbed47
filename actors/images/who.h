/*
 * who — the client of a request says what its user is known by at a host.
 *
 * It is asked over the stream of its own request (job_ask()), for one host at a time and only when
 * that host wants to know, so a client opens no keyring for what is public.  What it says goes to
 * the gantry-fetch of that host and is wiped here.
 */
#ifndef ACTORS_IMAGES_WHO_H
#define ACTORS_IMAGES_WHO_H

#include "actors/base/job.h"
#include "actors/images/registry.h"

/* registry_caller.who of any job of the request.  DEADLINE_EXCEEDED: no answer in time;
   INVALID_ARGUMENT: one that cannot be read; others: the client's own. */
int who_is_asking(struct job *job, const struct registry_question *question, struct arena *arena,
                  struct registry_known *out, struct error *err);

#endif
