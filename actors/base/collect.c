#include "actors/base/collect.h"

int collect_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct nothing nothing = { 0 };

    (void)in, (void)out;
    return call(job, &op_collector_run, &nothing, NULL, err);
}
