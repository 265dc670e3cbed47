/*
 * The check that runs by itself when the engine before this one was not stopped: a moment after the start, behind
 * everybody else, names and sizes only.  What it finds is logged, its end is an event, and `gantry info` shows it.
 */
#include "actors/base/log.h"
#include "actors/base/writer.h"
#include "actors/daemon/daemon.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define AFTER_MS 2000 /* the start: first those are served that wait for it */

static void db_drop(struct db **db)
{
    db_close(db);
}

static void log_findings(const struct daemon_check_reply *reply)
{
    const struct finding *findings = reply->findings.items;

    for (size_t i = 0; i < reply->findings.count; i++)
        log_warn("daemon", "check: %s: %s; %s", findings[i].what, findings[i].problem,
                 findings[i].hint != NULL ? findings[i].hint : "");
}

/* `in` points to the actor's result, which nobody reads before the job has ended. */
static int run(struct job *job, const void *in, void *out, struct error *err)
{
    struct self_check *result = *(struct self_check *const *)in;
    const struct daemon_self *daemon = job_self(job);
    const struct daemon_check_request quick = { 0 };
    struct daemon_check_reply reply = { 0 };
    CLEANUP(db_drop) struct db *db = NULL;

    (void)out;
    thread_give_way();
    if (db_open(daemon->config->database, true, &db, err) < 0 ||
        daemon_check(job, db, daemon->config, &quick, &reply, err) < 0)
        return -1;
    log_findings(&reply);
    result->checked = reply.checked;
    result->findings = reply.findings.count;
    return 0;
}

static int tell(struct write *write, const void *in, void *out, struct error *err)
{
    const struct self_check *result = write_ctx(write);
    char checked[24], findings[24];

    (void)in, (void)out;
    snprintf(checked, sizeof(checked), "%llu", (unsigned long long)result->checked);
    snprintf(findings, sizeof(findings), "%llu", (unsigned long long)result->findings);
    return emit(write, "/daemon/check", NULL, err, "checked", checked, "findings", findings, NULL);
}

static void ended(void *self, const void *in, const struct error *err)
{
    struct daemon_self *daemon = self;

    (void)in;
    if (err != NULL) {
        if (err->code != ERROR_UNAVAILABLE)
            log_warn("daemon", "check after an unclean stop: %s", err->text);
        return;
    }
    daemon->check.ended = clock_now();
    log_info("daemon", "check after an unclean stop: %llu objects checked, %llu findings",
             (unsigned long long)daemon->check.checked, (unsigned long long)daemon->check.findings);
    loop_write_relaxed(daemon->loop, NULL, tell, NULL, &daemon->check, sizeof(daemon->check));
}

static void begin(void *self, void *arg)
{
    struct daemon_self *daemon = self;
    struct self_check *result = &daemon->check;
    struct error err = { 0 };

    (void)arg;
    if (loop_run(daemon->loop, NULL, run, ended, &result, sizeof(result), &err) < 0)
        log_warn("daemon", "check after an unclean stop: %s", err.text);
}

void self_check_soon(struct daemon_self *daemon)
{
    if (!daemon->config->unclean)
        return;
    log_info("daemon", "the last one was not stopped%s: what it left is checked",
             daemon->config->new_boot ? ", and the machine was started since" : "");
    loop_timer(daemon->loop, AFTER_MS, 1, begin, NULL);
}

void self_check_describe(const struct daemon_self *daemon, struct daemon_info_reply *reply)
{
    reply->unclean = daemon->config->unclean;
    reply->has_unclean = true;
    if (daemon->check.ended == 0)
        return;
    reply->check_ended = daemon->check.ended;
    reply->check_objects = daemon->check.checked;
    reply->check_findings = daemon->check.findings;
    reply->has_check_ended = reply->has_check_objects = reply->has_check_findings = true;
}
