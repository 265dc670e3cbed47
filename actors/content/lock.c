/*
 * One writer per ref.  A lock is worth as much as the lease of the one who took it: when
 * somebody else wants the ref, the lock of a lease that is gone is no lock any more, so
 * nobody has to tell this actor that a lease went.  Without a lease, a file that has not
 * grown for REST_NS counts as left.
 */
#include "actors/content/store.h"
#include "platform/scope.h"

#define REST_NS (600 * 1000000000ll)

struct lock *lock_find(const struct content *content, const char *namespace, const char *ref)
{
    for (struct lock *lock = content->locks; lock != NULL; lock = lock->next)
        if (streq(lock->namespace, namespace) && streq(lock->ref, ref))
            return lock;
    return NULL;
}

static bool lease_is_there(struct content *content, const struct lock *lock)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    if (db_query(content->db, &query, &err,
                 "SELECT 1 FROM leases_lease WHERE namespace = ? AND id = ? AND (expires IS NULL "
                 "OR expires > ?)",
                 "ssi", lock->namespace, lock->lease, clock_now()) < 0)
        return true; /* cannot tell: two writers on one file would be worse */
    return query_next(&query, &err) != 0;
}

static bool is_resting(struct content *content, const struct lock *lock)
{
    char path[PATH_SIZE];
    struct fs_info info;
    struct error err;

    return ingest_path(content, lock->namespace, lock->ref, path, &err) < 0 ||
           fs_stat(path, &info, &err) < 0 || clock_now() - info.changed > REST_NS;
}

bool lock_is_held(struct content *content, const struct lock *lock)
{
    if (lock->digest != NULL || lock->begins)
        return true;
    return lock->lease != NULL ? lease_is_there(content, lock) : !is_resting(content, lock);
}

void lock_drop_ref(struct content *content, struct lock *lock)
{
    for (struct lock **at = &content->locks; *at != NULL; at = &(*at)->next)
        if (*at == lock) {
            *at = lock->next;
            break;
        }
    free(lock->namespace);
    free(lock->ref);
    free(lock->lease);
    free(lock->digest);
    free(lock);
}

struct lock *lock_acquire(struct content *content, const char *namespace, const char *ref,
                          const char *lease)
{
    struct lock *lock = lock_find(content, namespace, ref);

    if (lock != NULL && lock_is_held(content, lock))
        return NULL;
    if (lock != NULL)
        lock_drop_ref(content, lock);
    lock = zmalloc(sizeof(*lock));
    *lock = (struct lock){
        .next = content->locks,
        .namespace = strdup(namespace),
        .ref = strdup(ref),
        .lease = lease ? strdup(lease) : NULL,
        .begins = true,
    };
    content->locks = lock;
    return lock;
}

bool is_being_committed(const struct content *content, const char *digest)
{
    for (const struct lock *lock = content->locks; lock != NULL; lock = lock->next)
        if (lock->digest != NULL && streq(lock->digest, digest))
            return true;
    return false;
}
