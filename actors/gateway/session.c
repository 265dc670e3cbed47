/* session — the table of clients and of their open requests; see session.h. */
#include "actors/gateway/session.h"

#include "platform/platform.h"

static void session_free(void **item)
{
    struct session *session = *item;

    zframe_destroy(&session->peer);
    free(session);
    *item = NULL;
}

void sessions_open(struct sessions *sessions, uint32_t slots)
{
    *sessions = (struct sessions){ .by_peer = zhashx_new(), .slot_count = slots };
    zhashx_set_destructor(sessions->by_peer, session_free);
    sessions->slots = zmalloc(slots * sizeof(*sessions->slots));
    for (uint32_t i = slots; i > 0; i--) {
        struct forward *forward = &sessions->slots[i - 1];

        *forward = (struct forward){ .next = sessions->free, .slot = i - 1, .generation = 1 };
        sessions->free = forward;
    }
}

void sessions_close(struct sessions *sessions)
{
    zhashx_destroy(&sessions->by_peer);
    free(sessions->slots);
}

struct session *session_find(struct sessions *sessions, zframe_t *peer)
{
    char *key = zframe_strhex(peer);
    struct session *session = zhashx_lookup(sessions->by_peer, key);

    if (session == NULL) {
        session = zmalloc(sizeof(*session));
        session->peer = zframe_dup(peer);
        session->home = sessions;
        zhashx_insert(sessions->by_peer, key, session);
    }
    free(key);
    session->heard = clock_monotonic();
    return session;
}

void session_drop(struct sessions *sessions, struct session *session)
{
    char *key = zframe_strhex(session->peer);

    while (session->first != NULL)
        forward_free(sessions, session->first);
    zhashx_delete(sessions->by_peer, key);
    free(key);
}

struct forward *forward_new(struct sessions *sessions, struct session *session, uint64_t caller_id, int service)
{
    struct forward *forward = sessions->free;

    if (forward == NULL)
        return NULL;
    sessions->free = forward->next;
    forward->next = session->first;
    forward->session = session;
    forward->caller_id = caller_id;
    forward->service = service;
    session->first = forward;
    session->open++;
    return forward;
}

void forward_free(struct sessions *sessions, struct forward *forward)
{
    struct forward **at = &forward->session->first;

    while (*at != forward)
        at = &(*at)->next;
    *at = forward->next;
    forward->session->open--;
    forward->session = NULL;
    forward->generation++;
    forward->next = sessions->free;
    sessions->free = forward;
}

uint64_t forward_id(const struct forward *forward)
{
    return (uint64_t)forward->generation << 32 | forward->slot;
}

struct forward *forward_of_id(struct sessions *sessions, uint64_t id)
{
    struct forward *forward;

    if ((uint32_t)id >= sessions->slot_count)
        return NULL;
    forward = &sessions->slots[(uint32_t)id];
    return forward->session != NULL && forward->generation == (uint32_t)(id >> 32) ? forward : NULL;
}

struct forward *forward_of_caller(const struct session *session, uint64_t caller_id)
{
    for (struct forward *forward = session->first; forward != NULL; forward = forward->next)
        if (forward->caller_id == caller_id)
            return forward;
    return NULL;
}
