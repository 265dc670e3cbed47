/*
 * images — the folders a checkpoint is kept in, and the options that both commands give criu.
 */
#ifndef RUNTIME_IMAGES_H
#define RUNTIME_IMAGES_H

#include "platform/linux/runtime/options.h"
#include "platform/linux/runtime/state.h"
#include "platform/platform.h"
#include "protocol/record.h"

struct images {
    int folder, work;       /* work: -1: the same */
    const char *path;       /* of the folder */
    char log_at[PATH_SIZE]; /* the folder criu logs to, absolute */
    const char *log;        /* the log's name */
    struct buffer options;
};

#define IMAGES_NONE              \
    {                            \
        .folder = -1, .work = -1 \
    }

/* Opens the folders and begins the options.  A missing folder of the images is made with `mode`; 0:
   it has to be there.  `log` is the name of criu's log. */
int images_open(struct images *images, const struct options *options, const char *log,
                unsigned mode, struct error *err);
/* Which configuration file criu reads: the annotation org.criu.config says it. */
void images_configure(struct images *images, const json_t *config);
/* Makes the descriptors those of the same folders in the mount namespace of `pid`: criu mounts in
   them. */
int images_move(struct images *images, pid_t pid, struct error *err);
void images_close(struct images *images); /* for CLEANUP() */

/* Puts into the error what criu logged last as one, and where its log is; -1. */
int images_error(const struct images *images, struct error *err);

#endif
