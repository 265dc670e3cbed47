#include "actors/images/kept.h"

#include <string.h>

#include "actors/base/log.h"
#include "protocol/oci/digest.h"

#define KEPT_MS (24ull * 60 * 60 * 1000)
#define SAVE_MS 10000

static bool is_another_try_worthwhile(const struct error *why)
{
    switch (why->code) {
    case ERROR_CANCELLED:
    case ERROR_DEADLINE_EXCEEDED:
    case ERROR_UNAVAILABLE:
    case ERROR_UNAUTHENTICATED:
    case ERROR_PERMISSION_DENIED:
        return true;
    case ERROR_RESOURCE_EXHAUSTED:
        return why->retry_ms > 0; /* too many requests; else the disk is full: it needs room */
    default:
        return false;
    }
}

/* Names are longer than ids of leases may be. */
static int lease_id(const char *name, char id[80], struct error *err)
{
    struct digester digester;
    char digest[DIGEST_TEXT_SIZE];

    if (digester_open(&digester, "sha256", err) < 0)
        return -1;
    digester_add(&digester, name, strlen(name));
    if (digester_finish(&digester, digest, err) < 0)
        return -1;
    snprintf(id, 80, "kept-%.64s", digest_hex(digest));
    return 0;
}

/* Neither snapshots that are being written nor ingests, which last by themselves. */
static bool is_finished(const struct resource *resource)
{
    if (strcmp(resource->kind, "snapshot") == 0)
        return strncmp(resource->key, "extract-", 8) != 0;
    return strcmp(resource->kind, "content") == 0;
}

static int finished_of(struct job *job, const char *lease, struct list *out, struct error *err)
{
    struct leases_get_request which = { .id = lease };
    struct leases_resources_reply held;
    const struct resource *resources;
    struct resource *finished;

    *out = (struct list){ 0 };
    if (call(job, &op_leases_resources, &which, &held, err) < 0)
        return err->code == ERROR_NOT_FOUND ? 0 : -1; /* nothing has come to hang on it */
    resources = held.resources.items;
    finished = arena_alloc(job_arena(job), held.resources.count * sizeof(*finished));
    *out = (struct list){ 0, finished };
    for (size_t i = 0; i < held.resources.count; i++)
        if (is_finished(&resources[i]))
            finished[out->count++] = resources[i];
    return 0;
}

static int save(struct job *job, const char *lease, const char *id, struct error *err)
{
    struct leases_create_request create = { .id = id, SET(ttl_ms, KEPT_MS) };
    struct leases_add_request add = { .id = id };

    if (finished_of(job, lease, &add.resources, err) < 0)
        return -1;
    if (add.resources.count == 0)
        return 0;
    if (call(job, &op_leases_create, &create, NULL, err) < 0 && err->code != ERROR_ALREADY_EXISTS)
        return -1;
    return call(job, &op_leases_add, &add, NULL, err);
}

void kept_save(struct job *job, const struct held_lease *lease, const char *name,
               const struct error *why)
{
    struct error err = { 0 };
    char id[80];

    if (lease->job == NULL || !is_another_try_worthwhile(why))
        return;
    job_finish(job, SAVE_MS);
    if (lease_id(name, id, &err) < 0 || save(job, lease->id, id, &err) < 0)
        log_warn("images", "keep what was finished of %s: %s", name, err.text);
}

void kept_forget(struct job *job, const char *name)
{
    struct leases_remove_request which = { 0 };
    struct error err = { 0 };
    char id[80];

    if (lease_id(name, id, &err) < 0)
        return;
    which.id = id;
    if (call(job, &op_leases_remove, &which, NULL, &err) < 0 && err.code != ERROR_NOT_FOUND)
        log_warn("images", "let go of what was kept of %s: %s", name, err.text);
}
