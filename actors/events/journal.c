/* Reading the journal: rows behind a sequence number, in order. */
#include "actors/events/journal.h"

#include "platform/scope.h"
#include "protocol/filter.h"

int journal_open(struct events *events, struct query *rows, int64_t sequence, struct error *err)
{
    return db_query(events->db, rows, err,
                    "SELECT sequence, time, namespace, topic, id, fields, boot, instance"
                    " FROM events_journal WHERE sequence > ? ORDER BY sequence",
                    "i", sequence);
}

int journal_next(struct query *rows, struct event *event, struct arena *arena, struct error *err)
{
    int found = query_next(rows, err);

    if (found == 1)
        *event = (struct event){
            .sequence = (uint64_t)query_int(rows, 0),
            .time = query_int(rows, 1),
            .namespace = query_str(rows, 2, arena),
            .topic = query_str(rows, 3, arena),
            .id = query_str(rows, 4, arena),
            .fields = query_labels(rows, 5, arena),
            .boot = query_str(rows, 6, arena),
            .instance = query_str(rows, 7, arena),
        };
    return found;
}

int wish_of(struct request *request, struct wish *wish, struct error *err)
{
    const struct events_list_request *in = request_body(request);

    *wish =
        (struct wish){ .namespace = in->has_all && in->all ? NULL : request_namespace(request) };
    if (in->filters.count == 0)
        return 0;
    if (filters_parse(&in->filters, &wish->filters, request_arena(request), err) < 0)
        return -1;
    return filters_check(wish->filters, event_record(), err);
}

/* The daemon's own events, which have no namespace, are everybody's. */
bool is_wanted(const struct wish *wish, const struct event *event)
{
    return (wish->namespace == NULL || event->namespace == NULL ||
            streq(wish->namespace, event->namespace)) &&
           filters_match(wish->filters, event_record(), event);
}

static int64_t number(struct events *events, const char *sql)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    if (db_query(events->db, &query, &err, sql, "") < 0 || query_next(&query, &err) != 1)
        return 0;
    return query_int(&query, 0);
}

int journal_check_gap(struct events *events, int64_t sequence, struct error *err)
{
    int64_t first = journal_first(events);

    if (sequence == 0 || first <= sequence + 1)
        return 0;
    error_set(err, ERROR_OUT_OF_RANGE, "events from %lld to %lld are no longer in the journal",
              (long long)sequence + 1, (long long)first - 1);
    return error_hint(err, "look at what there is now, then ask for events without since");
}

/* Of all there ever were: also when the newest have been trimmed. */
int64_t journal_last(struct events *events)
{
    return number(events, "SELECT seq FROM sqlite_sequence WHERE name = 'events_journal'");
}

int64_t journal_first(struct events *events)
{
    return number(events, "SELECT min(sequence) FROM events_journal");
}
