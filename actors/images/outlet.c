/* outlet — the happy path of a visit is: open -> may it be asked now -> ask -> it was well. */
#include "actors/images/outlet.h"

#include <string.h>

#include "actors/base/log.h"
#include "actors/images/who.h"
#include "platform/platform.h"
#include "platform/scope.h"

/* ---- open and close --------------------------------------------------------------------- */

/* Each host its own, and no other's. */
static void add_credentials(const struct registry_user *user, const struct host *host,
                            struct registry_options *options)
{
    const struct host_credentials *mirrors = user->mirrors.items;

    options->askable = user->askable;
    if (!host->mirror) {
        options->username = user->username;
        options->password = user->password;
        options->identity_token = user->identity_token;
        options->registry_token = user->registry_token;
        return;
    }
    for (size_t i = 0; i < user->mirrors.count; i++)
        if (strcmp(mirrors[i].host, host->name) == 0) {
            options->username = mirrors[i].username;
            options->password = mirrors[i].password;
            options->identity_token = mirrors[i].identity_token;
            options->registry_token = mirrors[i].registry_token;
        }
}

void outlet_init(struct outlet *outlet, const struct host *host, const struct images_config *config,
                 const char *registry, const char *repository, const struct registry_user *user,
                 struct arena *arena)
{
    outlet->host = host;
    outlet->key = host_key(host, arena);
    host_options(host, registry, config, arena, &outlet->options);
    outlet->options.repository = repository;
    add_credentials(user, host, &outlet->options);
    atomic_init(&outlet->registry, NULL);
    atomic_init(&outlet->liar, false);
}

void outlet_close(struct outlet *outlet)
{
    struct registry *registry = atomic_load(&outlet->registry);

    registry_close(&registry);
}

/* Of two threads that open it at the same time one is too late. */
static struct registry *open_once(struct outlet *outlet, bool last, struct error *err)
{
    struct registry *registry = atomic_load(&outlet->registry), *none = NULL;
    struct registry_options options = outlet->options;

    if (registry != NULL)
        return registry;
    options.tries = last ? 0 : 1; /* what may pass is tried again elsewhere first */
    if (registry_open(&registry, &options, err) < 0)
        return NULL;
    if (atomic_compare_exchange_strong(&outlet->registry, &none, registry))
        return registry;
    registry_close(&registry);
    return none;
}

/* ---- one request ---------------------------------------------------------------------------- */

static int check(void *ctx, struct error *err)
{
    struct visit *visit = ctx;

    if (job_check(visit->job, err) == 0)
        return 0;
    visit->ours = true;
    return -1;
}

/* It has answered, and waits for us: what that takes is not the host's time. */
static int who(void *ctx, const struct registry_question *question, struct arena *arena,
               struct registry_known *out, struct error *err)
{
    struct visit *visit = ctx;
    int known;

    visit_progress(visit);
    known = who_is_asking(visit->job, question, arena, out, err);
    visit->health.began = clock_monotonic();
    visit->ours = known < 0;
    return known;
}

static void note(void *ctx, const char *text)
{
    const struct visit *visit = ctx;

    log_debug("images", "%s: %s", visit->outlet->key, text);
}

int visit_begin(struct visit *visit, struct outlet *outlet, struct job *job, bool last,
                struct error *err)
{
    struct error ignored;

    *visit = (struct visit){ .outlet = outlet, .job = job };
    visit->caller = (struct registry_caller){
        .check = check, .note = note, .who = who, .ctx = visit, .told = &visit->told
    };
    visit->registry = open_once(outlet, last, err);
    if (visit->registry == NULL) {
        visit->ours = true;
        return -1;
    }
    if (health_enter(&visit->health, job, outlet->key, last, err) == 0)
        return 0;
    visit->ours = job_check(job, &ignored) < 0;
    return -1;
}

void visit_progress(struct visit *visit)
{
    health_answers(&visit->health);
    visit->health.began = clock_monotonic();
}

/* A gantry-fetch that ended, or that cannot be spoken to, says nothing about the host. */
int visit_end(struct visit *visit, int result, const struct error *err)
{
    if (visit->ours || (result < 0 && !visit->told))
        health_give_up(&visit->health);
    else
        health_leave(&visit->health, result < 0 ? err : NULL);
    return result;
}

/* ---- where nothing stands in ------------------------------------------------------------------
 */

const struct host *host_for_push(const struct host_list *hosts)
{
    for (size_t i = 0; i < hosts->count; i++)
        if (hosts->items[i].capabilities & HOST_PUSH)
            return &hosts->items[i];
    return NULL;
}

int outlet_for_push(struct outlet *outlet, struct job *job, const struct images_config *config,
                    const struct reference *to, const struct registry_user *user, struct error *err)
{
    const struct host *host;
    struct host_list hosts;

    if (hosts_find(config, to->host, job_arena(job), &hosts, err) < 0)
        return -1;
    host = host_for_push(&hosts);
    if (host == NULL) {
        error_set(err, ERROR_FAILED_PRECONDITION, "%s: none of its hosts may be sent to (%s)",
                  to->host, hosts.items[0].origin);
        return error_hint(err, "gantry registry explain %.80s", to->host);
    }
    outlet_init(outlet, host, config, to->host, to->repository, user, job_arena(job));
    return 0;
}

int outlet_manifest(struct outlet *outlet, struct job *job, const char *tag_or_digest,
                    struct registry_document *out, struct error *err)
{
    struct visit visit;

    if (visit_begin(&visit, outlet, job, true, err) < 0)
        return -1;
    return visit_end(
        &visit, registry_manifest(visit.registry, &visit.caller, tag_or_digest, 0, out, err), err);
}

struct counting {
    struct visit *visit;
    const struct registry_upload *upload;
};

/* Bytes go only to who has said that it wants them. */
static void count(void *ctx, uint64_t done)
{
    const struct counting *counting = ctx;
    const struct registry_upload *upload = counting->upload;

    if (done > 0)
        visit_progress(counting->visit);
    if (upload->progress != NULL)
        upload->progress(upload->ctx, done);
}

int outlet_upload(struct outlet *outlet, struct job *job, const struct registry_upload *upload,
                  enum registry_sent *sent, struct error *err)
{
    struct registry_upload counted = *upload;
    struct visit visit;
    struct counting counting = { &visit, upload };

    counted.progress = count;
    counted.ctx = &counting;
    if (visit_begin(&visit, outlet, job, true, err) < 0)
        return -1;
    return visit_end(&visit, registry_upload(visit.registry, &visit.caller, &counted, sent, err),
                     err);
}

int outlet_put(struct outlet *outlet, struct job *job, const struct registry_put *put,
               struct registry_kept *kept, struct error *err)
{
    struct visit visit;

    if (visit_begin(&visit, outlet, job, true, err) < 0)
        return -1;
    return visit_end(&visit, registry_put(visit.registry, &visit.caller, put, kept, err), err);
}

int outlet_delete(struct outlet *outlet, struct job *job, const char *tag_or_digest, bool blob,
                  struct error *err)
{
    struct visit visit;

    if (visit_begin(&visit, outlet, job, true, err) < 0)
        return -1;
    return visit_end(&visit,
                     registry_delete(visit.registry, &visit.caller, tag_or_digest, blob, err), err);
}

int outlet_login(struct outlet *outlet, struct job *job, struct registry_login *out,
                 struct error *err)
{
    struct visit visit;

    if (visit_begin(&visit, outlet, job, true, err) < 0)
        return -1;
    return visit_end(&visit, registry_login(visit.registry, &visit.caller, out, err), err);
}
