/* ranges — the happy path is a look at one connection -> parts by several, given in order -> the
 * end. */
#include "actors/images/ranges.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "actors/base/log.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define PART_BYTES  (8u << 20)
#define PARTS_LEAST 4          /* fewer are not worth more connections */
#define PARTS_MOST  4096       /* whatever size is declared: they grow instead */
#define PARTS_AHEAD 32         /* of the first that is missing: they lie on the disk meanwhile */
#define FAST        125000000  /* bytes per second: one that has a gigabit is not what is slow */
#define NUDGE_BYTES (1u << 20) /* so often what came is taken */
#define WAIT_MS     50         /* for the others, far ahead */
#define PIECE       (256u << 10)

/* Bytes of the blob, written by one worker and read by the job that takes them all. */
struct part {
    int file;              /* without a name; set before there is a byte */
    _Atomic uint64_t have; /* so many are in it */
    uint64_t given;        /* so many of these the sink has */
};

struct ranges {
    struct supply *supply;
    const struct registry_blob *blob;
    char folder[PATH_SIZE]; /* for the files */
    uint64_t begin, part_size;
    size_t count;
    struct part *parts;
    size_t workers;

    atomic_size_t next;        /* part that nobody fetches yet */
    atomic_size_t given;       /* those before it the sink has */
    atomic_bool enough;        /* no other part is begun */
    _Atomic uint64_t received; /* by all */
    _Atomic uint32_t senders;  /* as of a trip */

    /* the job's own */
    char *piece;
    uint64_t at;    /* the sink has the bytes before this one */
    uint64_t alone; /* bytes per second of one connection */
    int64_t began;
    bool judged;
};

static void ranges_drop(struct ranges *ranges)
{
    for (size_t i = 0; i < ranges->count; i++)
        file_close(&ranges->parts[i].file);
    free(ranges->parts);
}

static uint64_t part_begin(const struct ranges *ranges, size_t index)
{
    return ranges->begin + index * ranges->part_size;
}

static uint64_t part_size(const struct ranges *ranges, size_t index)
{
    uint64_t left = ranges->blob->size - part_begin(ranges, index);

    return left < ranges->part_size ? left : ranges->part_size;
}

static uint64_t per_second(uint64_t bytes, int64_t ns)
{
    return bytes * 1000 / (uint64_t)(ns / 1000000 + 1);
}

/* ---- one part ------------------------------------------------------------------------------ */

struct part_visit {
    struct job *job;
    struct ranges *ranges;
    struct part *part;
    uint64_t begin, size;
    uint64_t told;
};

static int on_part(void *ctx, uint64_t at, const void *data, size_t size, struct error *err)
{
    struct part_visit *visit = ctx;
    uint64_t have = at - visit->begin + size;

    if (file_write(visit->part->file, data, size, err) < 0)
        return -1;
    atomic_fetch_add(&visit->ranges->received, size);
    atomic_store(&visit->part->have, have);
    if (have - visit->told >= NUDGE_BYTES || have == visit->size) {
        visit->told = have;
        job_nudge(visit->job);
    }
    return 0;
}

static int part_fetch(struct job *job, struct ranges *ranges, size_t index, struct error *err)
{
    struct part_visit visit = { .job = job,
                           .ranges = ranges,
                           .part = &ranges->parts[index],
                           .begin = part_begin(ranges, index),
                           .size = part_size(ranges, index) };
    struct registry_blob want = { .digest = ranges->blob->digest,
                                  .size = ranges->blob->size,
                                  .offset = visit.begin,
                                  .until = visit.begin + visit.size,
                                  .part = true,
                                  .sink = on_part,
                                  .ctx = &visit };
    struct supply_trip trip = { 0 };
    int result;

    if (file_open_unnamed(ranges->folder, &visit.part->file, err) < 0)
        return -1;
    result = supply_blob(ranges->supply, job, &want, &trip, err);
    atomic_fetch_or(&ranges->senders, trip.senders);
    return result;
}

/* What lies ahead of the first missing part is bounded. */
static int stay_near(struct job *job, struct ranges *ranges, size_t index, struct error *err)
{
    while (index >= atomic_load(&ranges->given) + PARTS_AHEAD && !atomic_load(&ranges->enough))
        if (job_wait(job, -1, JOB_INPUT, WAIT_MS, err) < 0)
            return -1;
    return 0;
}

/* A part that fails is no failure: the end is fetched by one connection, whose words count. */
static int worker_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct ranges *ranges = *(struct ranges *const *)in;
    size_t index;

    (void)out;
    while (!atomic_load(&ranges->enough)) {
        index = atomic_fetch_add(&ranges->next, 1);
        if (index >= ranges->count)
            return 0;
        if (stay_near(job, ranges, index, err) < 0)
            return -1;
        if (atomic_load(&ranges->enough) || part_fetch(job, ranges, index, err) == 0)
            continue;
        log_debug("images", "%s; one connection fetches the rest", err->text);
        atomic_store(&ranges->enough, true);
        return job_check(job, err);
    }
    return 0;
}

/* ---- all together -------------------------------------------------------------------------- */

static int give_part(struct ranges *ranges, struct part *part, struct error *err)
{
    const struct registry_blob *blob = ranges->blob;
    uint64_t have = atomic_load(&part->have);
    int64_t got;

    while (part->given < have) {
        uint64_t left = have - part->given;

        got = file_read_at(part->file, ranges->piece, left < PIECE ? (size_t)left : PIECE,
                           part->given, err);
        if (got <= 0)
            return got < 0 ? -1 : error_set(err, ERROR_DATA_LOSS, "a file is cut");
        if (blob->sink(blob->ctx, ranges->at, ranges->piece, (size_t)got, err) < 0)
            return -1;
        part->given += (uint64_t)got;
        ranges->at += (uint64_t)got;
    }
    return 0;
}

/* When every connection has had its turn: are they faster than the one was? */
static void judge(struct ranges *ranges)
{
    uint64_t received = atomic_load(&ranges->received), together;

    if (ranges->judged || received < ranges->workers * ranges->part_size)
        return;
    ranges->judged = true;
    together = per_second(received, clock_monotonic() - ranges->began);
    log_debug("images", "blob %.19s: %llu bytes/s by %zu connections, %llu by one",
              ranges->blob->digest, (unsigned long long)together, ranges->workers,
              (unsigned long long)ranges->alone);
    if (together < ranges->alone + ranges->alone / 2)
        atomic_store(&ranges->enough, true);
}

static int give(void *ctx, struct error *err)
{
    struct ranges *ranges = ctx;
    size_t index = atomic_load(&ranges->given);

    judge(ranges);
    for (; index < ranges->count; index++) {
        struct part *part = &ranges->parts[index];

        if (give_part(ranges, part, err) < 0)
            return -1;
        if (part->given < part_size(ranges, index))
            return 0;
        file_close(&part->file);
        atomic_store(&ranges->given, index + 1);
    }
    return 0;
}

static int take_parts(struct ranges *ranges, struct job *job, struct error *err)
{
    struct ranges **workers =
        arena_alloc(job_arena(job), ranges->workers * sizeof(struct ranges *));
    const struct children children = { .body = worker_job,
                                       .items = workers,
                                       .count = ranges->workers,
                                       .item_size = sizeof(struct ranges *),
                                       .at_once = (unsigned)ranges->workers,
                                       .heed = give,
                                       .ctx = ranges };

    for (size_t i = 0; i < ranges->workers; i++)
        workers[i] = ranges;
    ranges->piece = arena_alloc(job_arena(job), PIECE);
    ranges->began = clock_monotonic();
    return job_children(job, &children, err);
}

static uint64_t size_of_part(const struct images_config *config, uint64_t left)
{
    uint64_t least = left / PARTS_MOST + 1;
    uint64_t usual = config->range_size > 0 ? config->range_size : PART_BYTES;

    return least > usual ? least : usual;
}

static int by_several(struct supply *supply, struct job *job, const struct images_config *config,
                      const struct registry_blob *blob, uint64_t alone, uint64_t *at,
                      struct supply_trip *trip, struct error *err)
{
    CLEANUP(ranges_drop)
    struct ranges ranges = { .supply = supply,
                             .blob = blob,
                             .begin = *at,
                             .at = *at,
                             .part_size = size_of_part(config, blob->size - *at),
                             .workers = config->ranges,
                             .alone = alone };
    size_t count = (size_t)((blob->size - *at + ranges.part_size - 1) / ranges.part_size);
    int result;

    if (path_format(ranges.folder, err, "%s/ingests", config->root) < 0)
        return -1;
    ranges.parts = calloc(count, sizeof(*ranges.parts));
    if (ranges.parts == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for %zu parts", count);
    for (ranges.count = 0; ranges.count < count; ranges.count++)
        ranges.parts[ranges.count].file = -1;
    result = take_parts(&ranges, job, err);
    trip->senders |= atomic_load(&ranges.senders);
    *at = ranges.at;
    return result;
}

/* ---- the look ------------------------------------------------------------------------------ */

struct look {
    const struct registry_blob *blob;
    uint64_t at, bytes;
    int64_t first; /* when the first bytes were here */
    int64_t busy;  /* ns that taking them took */
};

static int on_look(void *ctx, uint64_t at, const void *data, size_t size, struct error *err)
{
    struct look *look = ctx;
    int64_t now = clock_monotonic();
    int result = look->blob->sink(look->blob->ctx, at, data, size, err);

    if (look->first == 0)
        look->first = now;
    look->busy += clock_monotonic() - now;
    look->bytes += size;
    look->at = at + size;
    return result;
}

int ranges_blob(struct supply *supply, struct job *job, const struct images_config *config,
                const struct registry_blob *blob, struct supply_trip *trip, struct error *err)
{
    uint64_t part = size_of_part(config, 0);
    struct look look = { .blob = blob, .at = blob->offset };
    struct registry_blob want = *blob;
    int64_t took;
    uint64_t speed;

    if (config->ranges < 2 || blob->size - blob->offset < (1 + PARTS_LEAST) * part)
        return supply_blob(supply, job, blob, trip, err);
    want.until = blob->offset + part;
    want.sink = on_look;
    want.ctx = &look;
    if (supply_blob(supply, job, &want, trip, err) < 0)
        return -1;
    took = clock_monotonic() - look.first;
    speed = per_second(look.bytes, took);
    if (look.at < blob->size && took > 2 * look.busy && speed < FAST &&
        by_several(supply, job, config, blob, speed, &look.at, trip, err) < 0)
        return -1;
    if (look.at == blob->size)
        return 0;
    want = *blob;
    want.offset = look.at;
    return supply_blob(supply, job, &want, trip, err);
}
