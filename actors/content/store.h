/* store — the inside of content, shared by its files. */
#ifndef ACTORS_CONTENT_STORE_H
#define ACTORS_CONTENT_STORE_H

#include "actors/base/trash.h"
#include "actors/base/writer.h"
#include "actors/content/content.h"

/* Who writes a ref now.  Only in memory: after a restart nobody does. */
struct lock {
    struct lock *next;
    char *namespace;
    char *ref;
    char *lease;  /* the lock falls with it; NULL: it falls when the file rests too long */
    char *digest; /* being committed as; NULL: no commit runs */
    bool begins;  /* the write of its row is under way, and may make the lease */
};

struct content {
    char root[PATH_SIZE];
    char database[PATH_SIZE];
    uint64_t write_max;
    bool isolated;
    struct db *db; /* reads */
    struct loop *loop;
    struct trash trash;
    struct lock *locks;
};

/* path.c */
int blob_path(const struct content *content, const char *digest, char path[PATH_SIZE],
              struct error *err);
int ingest_path(const struct content *content, const char *namespace, const char *ref,
                char path[PATH_SIZE], struct error *err);
int ref_check(const char *ref, struct error *err);

/* lock.c */
struct lock *lock_find(const struct content *content, const char *namespace, const char *ref);
/* NULL when somebody who is still there has it. */
struct lock *lock_acquire(struct content *content, const char *namespace, const char *ref,
                          const char *lease);
bool lock_is_held(struct content *content, const struct lock *lock);
void lock_drop_ref(struct content *content, struct lock *lock);
bool is_being_committed(const struct content *content, const char *digest);

/* read.c */
int on_content_stat(void *self, struct request *request, struct error *err);
int on_content_list(void *self, struct request *request, struct error *err);
int on_content_ingests(void *self, struct request *request, struct error *err);
int on_content_read(void *self, struct request *request, struct error *err);
/* 1, 0, or -1: cannot tell. */
int blob_is_known(struct content *content, const char *digest); /* to any namespace */
int ingest_is_known(struct content *content, const char *path);

/* ingest.c */
int on_content_ingest(void *self, struct request *request, struct error *err);
int on_content_abort(void *self, struct request *request, struct error *err);
/* In a write: the ingest's row goes. */
int ingest_forget(struct write *write, const char *ref, struct error *err);

/* What no row names any more: see trash_later(). */
int ingest_away(void *self, const char *path, struct error *err);

/* write.c */
int on_content_write(void *self, struct request *request, struct error *err);

/* commit.c */
int on_content_commit(void *self, struct request *request, struct error *err);

/* blob.c */
int on_content_label(void *self, struct request *request, struct error *err);
int on_content_remove(void *self, struct request *request, struct error *err);
int blob_away(void *self, const char *digest, struct error *err); /* as ingest_away() */
/* In a write: a row for the write's namespace, its edges, its lease, its event. */
int blob_add(struct write *write, const char *digest, uint64_t size, const struct map *labels,
             struct error *err);
/* In a write.  1: the namespace has it, 0: not, -1. */
int blob_find(struct write *write, const char *namespace, const char *digest, uint64_t *size,
              struct error *err);
/* In a write.  1: some namespace has it and lends it (share.h), 0, -1. */
int blob_find_lent(struct write *write, bool isolated, const char *digest, uint64_t *size,
                   struct error *err);
int blob_is_kept(struct write *write, const char *digest, struct error *err); /* 1, 0, -1 */
int blob_forget(struct write *write, const char *digest, bool *was_last, struct error *err);

/* sweep.c */
int on_content_sweep(void *self, struct request *request, struct error *err);

#endif
