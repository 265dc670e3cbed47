/*
 * protocol — the few words that gantry-unpack and its client share.
 *
 *      gantry-unpack apply [--base] [--max-bytes N] [--max-entries N] [--fs TEXT] [--mounts TEXT]
 *                          BLOB LAYER_FOLDER none|gzip|zstd|auto [LOWER_FS ...]
 *      gantry-unpack stitch LAYER_FOLDER LOWER_FS ...
 *      gantry-unpack stitch --fs TEXT --mounts TEXT LAYER_FOLDER
 *      gantry-unpack rebase LAYER_FOLDER [LOWER_FS]
 *      gantry-unpack rebase --mounts TEXT LAYER_FOLDER
 *      gantry-unpack copy LAYER_FOLDER LOWER_FS
 *      gantry-unpack users OUT_FOLDER LOWER_FS ...
 *      gantry-unpack users --mounts TEXT OUT_FOLDER
 *      gantry-unpack seed [--sync] VOLUME_FOLDER SOURCE TEXT
 *      gantry-unpack put FOLDER ROOT     a tar on its input, into that folder of a container's root, which
 *                                        is said as to gantry-pack (pack/protocol.h)
 *
 *      TEXT (mounts_text.h): a file system that has to be mounted first.  --fs: on fs/, which is filled then;
 *      --mounts: on `whole` in the folder; seed: elsewhere.
 *
 *      to it:    allow N     bytes 0 .. N-1 of the blob are on disk
 *                end N       it has N bytes and is what it should be
 *                (EOF before end: discard)
 *      from it:  progress UNCOMPRESSED_BYTES ENTRIES
 *                done DIFF_ID SIZE INODES UNCOMPRESSED_BYTES DEFERRED     apply
 *                ok                                                       all others
 *                error CODE TEXT
 */
#ifndef UNPACK_PROTOCOL_H
#define UNPACK_PROTOCOL_H

#define UNPACK_LINE 640 /* the longest line with its newline */

/* In the layer folder: what waits for the parents; see deferred.h. */
#define UNPACK_DEFERRED "deferred"
/* In the layer folder: held (flock) while somebody writes to it. */
#define UNPACK_LOCK "lock"

/* In the layer folder: the parent's files, on which fs/ is put; or where TEXT is mounted. */
#define UNPACK_WHOLE "whole"

#endif
