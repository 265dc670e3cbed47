/*
 * protocol — the few words that gantry-pack and its client share.
 *
 *      gantry-pack layer OUT none|gzip|zstd EPOCH STILL BEFORE AFTER [EXCLUDED ...]
 *      gantry-pack changes BEFORE AFTER [EXCLUDED ...]
 *      gantry-pack stat ROOT PATH
 *      gantry-pack copy ROOT PATH
 *
 * OUT is a file that is there.  EPOCH, in seconds, is the latest time that a layer may hold, or
 * "-".  STILL is "may FOLDER" or "must FOLDER", a task that stands still meanwhile, or "-".  BEFORE and AFTER are
 * mounts (mounts_text.h), "" is an empty folder.  EXCLUDED is a path that is left out where it is
 * new and empty: something was mounted there.  ROOT is mounts, or "pid N": what that process sees.
 *
 *      from it:  progress BYTES ENTRIES      stat, copy: first of all, when ROOT is open
 *                data N                  and N bytes: of the tar; A, C or D, a path and NUL
 *                layer DIFF_ID DIGEST SIZE UNCOMPRESSED_BYTES ENTRIES STOOD_STILL
 *                stat MODE SIZE SECONDS NANOSECONDS     before it data: real path NUL link's target
 *                ok                                     changes, copy
 *                error CODE TEXT
 */
#ifndef PACK_PROTOCOL_H
#define PACK_PROTOCOL_H

#define PACK_LINE 640          /* the longest line with its newline */
#define PACK_DATA (128u << 10) /* bytes behind one line at most */

#endif
