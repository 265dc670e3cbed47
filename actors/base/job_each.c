/* Jobs that a job has started: it waits for all, and the first failure ends the rest. */
#include "actors/base/job_private.h"
#include "actors/base/log.h"
#include "platform/platform.h"

struct member {
    zactor_t *thread;
    struct birth birth;
};

struct family {
    struct job *parent;
    const struct children *children;
    struct member *members;
    bool nudged; /* and not heeded yet */
    size_t started;
    size_t running;
    struct asked *asked; /* the client, by members */
    struct error first;  /* failure */
};

static void family_cancel(struct family *family, enum error_code why)
{
    for (size_t i = 0; i < family->started; i++)
        if (family->members[i].thread != NULL)
            order_send(family->members[i].thread, &(struct order){ .kind = ORDER_CANCEL, .why = why });
}

static bool is_passed_on(zframe_t *kind)
{
    return zframe_streq(kind, "progress") || zframe_streq(kind, "data") || zframe_streq(kind, "credit");
}

/* [kind][stream][flag][body], for the client: a child sends it nothing but questions. */
static void pass_up(struct family *family, struct member *member, zmsg_t **msg)
{
    char stream[STREAM_ROOM];
    zframe_t *name;

    if (zframe_streq(zmsg_first(*msg), "data")) {
        name = zmsg_next(*msg);
        snprintf(stream, sizeof(stream), "%.*s", (int)zframe_size(name), (char *)zframe_data(name));
        asked_note(&family->asked, stream, member);
    }
    ORDER_BEFORE_SEND();
    zmsg_send(msg, family->parent->pipe);
}

/* What the client has answered goes to who asked; all else stays the parent's. */
static void pass_down(struct family *family)
{
    struct chunk **at = &family->parent->first;

    while (*at != NULL) {
        struct chunk *chunk = *at;
        const struct member *member = asked_take(&family->asked, chunk->stream);

        if (member == NULL) {
            at = &chunk->next;
            continue;
        }
        *at = chunk->next;
        order_send(member->thread, &(struct order){ .kind = ORDER_MESSAGE, .message = chunk->message });
        free(chunk);
    }
    family->parent->last = at;
}

static void member_news(struct family *family, struct member *member)
{
    zmsg_t *msg = zmsg_recv(zactor_sock(member->thread));
    zframe_t *kind = msg ? zmsg_first(msg) : NULL;
    struct arena *arena;
    struct failure failure;

    ORDER_AFTER_RECEIVE();
    if (msg != NULL && zmsg_size(msg) == 4 && is_passed_on(kind)) {
        pass_up(family, member, &msg);
        return;
    }
    family->nudged = true; /* by its words, or its end */
    if (msg != NULL && zmsg_size(msg) == 4 && zframe_streq(kind, "error") && family->first.code == ERROR_NONE) {
        arena = arena_new();
        if (wire_unframe(zmsg_last(msg), failure_record(), RECORD_LENIENT, &failure, arena, &family->first) == 0)
            wire_error(&failure, &family->first);
        arena_free(arena);
        family_cancel(family, ERROR_CANCELLED);
    }
    if (msg != NULL && zmsg_size(msg) == 4 && (zframe_streq(kind, "error") || zframe_streq(kind, "reply"))) {
        asked_forget(&family->asked, member);
        zactor_destroy(&member->thread);
        ORDER_AFTER_RECEIVE();
        family->running--;
    }
    zmsg_destroy(&msg);
}

static void family_wait(struct family *family)
{
    zmq_pollitem_t *items = zmalloc((family->children->count + 1) * sizeof(*items));
    size_t *who = zmalloc((family->children->count + 1) * sizeof(*who));
    int count = 1;

    items[0] = (zmq_pollitem_t){ .socket = zsock_resolve(family->parent->pipe), .events = ZMQ_POLLIN };
    for (size_t i = 0; i < family->started; i++)
        if (family->members[i].thread != NULL) {
            who[count] = i;
            items[count++] = (zmq_pollitem_t){ .socket = zsock_resolve(family->members[i].thread), .events = ZMQ_POLLIN };
        }
    zmq_poll(items, count, family->first.code == ERROR_NONE ? (long)job_time_left_ms(family->parent) : -1);
    for (int i = 1; i < count; i++)
        if (items[i].revents != 0)
            member_news(family, &family->members[who[i]]);
    free(items);
    free(who);
    if (family->first.code == ERROR_NONE && job_check(family->parent, &family->first) < 0)
        family_cancel(family, family->first.code);
    pass_down(family);
}

/* What the parent does itself between its children's news. */
static void heed(struct family *family)
{
    const struct children *children = family->children;

    if (!family->nudged || children->heed == NULL || family->first.code != ERROR_NONE)
        return;
    family->nudged = false;
    if (children->heed(children->ctx, &family->first) < 0)
        family_cancel(family, ERROR_CANCELLED);
}

static int start_next(struct family *family)
{
    const struct children *children = family->children;
    struct member *member = &family->members[family->started];

    member->birth = (struct birth){ children->body, (char *)children->items + family->started * children->item_size,
                                    NULL, family->parent->context };
    member->thread = worker_start(&member->birth);
    if (member->thread == NULL) {
        error_set(&family->first, ERROR_RESOURCE_EXHAUSTED, "no thread for another job");
        family_cancel(family, ERROR_CANCELLED);
        return -1;
    }
    family->started++;
    family->running++;
    return 0;
}

int job_children(struct job *job, const struct children *children, struct error *err)
{
    struct family family = { .parent = job, .children = children };

    family.members = zmalloc((children->count + 1) * sizeof(*family.members));
    for (;;) {
        while (family.first.code == ERROR_NONE && family.started < children->count &&
               family.running < children->at_once)
            if (start_next(&family) < 0)
                break;
        if (family.running == 0)
            break;
        family_wait(&family);
        heed(&family);
    }
    free(family.members);
    asked_forget(&family.asked, NULL);
    if (family.first.code == ERROR_NONE)
        return 0;
    *err = family.first;
    return -1;
}

int job_each(struct job *job, job_body *body, void *items, size_t count, size_t item_size, unsigned at_once,
             struct error *err)
{
    const struct children children = {
        .body = body, .items = items, .count = count, .item_size = item_size, .at_once = at_once
    };

    return job_children(job, &children, err);
}
