/*
 * disk - a file behind a loop device that writes down every write and every flush, in their order.
 *
 *      disk IMAGE PLACE LOG
 *
 * PLACE, an empty file, becomes a file of IMAGE's size and bytes: a file system in user space (FUSE) whose only
 * inode it is, spoken without a library (linux/fuse.h).  A loop device on it hands a flush of its
 * own on as fsync (drivers/block/loop.c), so LOG knows what a disk that loses power may lose: any of
 * the writes behind the last flush.  Ends when PLACE is unmounted.
 *
 * LOG is records of three little numbers of 64 bits, kind, offset and size, and behind a write's its bytes.  One is
 * there before what it tells of is answered, so the size of LOG at any moment is a moment of the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define WRITE_MAX (1u << 20)
#define ROOM      (WRITE_MAX + 65536)

enum kind { KIND_WRITE = 1, KIND_FLUSH };

struct disk {
    int device; /* /dev/fuse */
    int log;
    char *bytes; /* of the image */
    uint64_t size;
};

static void die(const char *what)
{
    fprintf(stderr, "disk: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void note(const struct disk *disk, enum kind kind, uint64_t offset, uint64_t size, const void *bytes)
{
    uint64_t head[3] = { kind, offset, size };
    struct iovec parts[2] = { { head, sizeof(head) }, { (void *)(uintptr_t)bytes, bytes != NULL ? size : 0 } };

    if (writev(disk->log, parts, 2) != (ssize_t)(parts[0].iov_len + parts[1].iov_len))
        die("log");
}

/* error: a negative errno, as the kernel wants it. */
static void answer(const struct disk *disk, uint64_t unique, int error, const void *body, size_t size)
{
    struct fuse_out_header head = { .len = (uint32_t)(sizeof(head) + size), .error = error, .unique = unique };
    struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)body, size } };

    if (writev(disk->device, parts, 2) < 0 && errno != ENOENT) /* interrupted meanwhile */
        die("answer");
}

static void answer_init(const struct disk *disk, uint64_t unique, const struct fuse_init_in *in)
{
    struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION,
        .minor = FUSE_KERNEL_MINOR_VERSION,
        .max_readahead = in->max_readahead,
        .flags = in->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_ASYNC_READ),
        .max_background = 64,
        .congestion_threshold = 48,
        .max_write = WRITE_MAX,
        .time_gran = 1,
        .max_pages = WRITE_MAX / 4096,
    };

    answer(disk, unique, 0, &out, sizeof(out));
}

static void answer_attributes(const struct disk *disk, uint64_t unique)
{
    struct fuse_attr_out out = {
        .attr_valid = 3600,
        .attr = { .ino = FUSE_ROOT_ID, .size = disk->size, .blocks = disk->size / 512, .mode = S_IFREG | 0600,
                  .nlink = 1, .blksize = 4096 },
    };

    answer(disk, unique, 0, &out, sizeof(out));
}

static void answer_write(const struct disk *disk, uint64_t unique, const struct fuse_write_in *in)
{
    struct fuse_write_out out = { .size = in->size };

    if (in->offset > disk->size || in->size > disk->size - in->offset) {
        answer(disk, unique, -ENOSPC, NULL, 0);
        return;
    }
    memcpy(disk->bytes + in->offset, in + 1, in->size);
    note(disk, KIND_WRITE, in->offset, in->size, in + 1);
    answer(disk, unique, 0, &out, sizeof(out));
}

static void answer_read(const struct disk *disk, uint64_t unique, const struct fuse_read_in *in)
{
    uint64_t there = in->offset < disk->size ? disk->size - in->offset : 0;

    answer(disk, unique, 0, disk->bytes + (there > 0 ? in->offset : 0), in->size < there ? in->size : there);
}

static void serve(const struct disk *disk, const struct fuse_in_header *head)
{
    const void *body = head + 1;

    switch (head->opcode) {
    case FUSE_INIT:
        return answer_init(disk, head->unique, body);
    case FUSE_GETATTR:
    case FUSE_SETATTR:
        return answer_attributes(disk, head->unique);
    case FUSE_OPEN:
        return answer(disk, head->unique, 0, &(struct fuse_open_out){ 0 }, sizeof(struct fuse_open_out));
    case FUSE_READ:
        return answer_read(disk, head->unique, body);
    case FUSE_WRITE:
        return answer_write(disk, head->unique, body);
    case FUSE_FSYNC:
        note(disk, KIND_FLUSH, 0, 0, NULL);
        return answer(disk, head->unique, 0, NULL, 0);
    case FUSE_STATFS:
        return answer(disk, head->unique, 0, &(struct fuse_statfs_out){ 0 }, sizeof(struct fuse_statfs_out));
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_ACCESS:
    case FUSE_DESTROY:
        return answer(disk, head->unique, 0, NULL, 0);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return;
    default:
        return answer(disk, head->unique, -ENOSYS, NULL, 0);
    }
}

static void serve_all(const struct disk *disk)
{
    char *room = aligned_alloc(4096, ROOM);

    if (room == NULL)
        die("memory");
    for (;;) {
        ssize_t got = read(disk->device, room, ROOM);

        if (got < 0 && errno == ENODEV) /* unmounted */
            break;
        if (got < 0 && errno != EINTR && errno != ENOENT && errno != EAGAIN)
            die("read");
        if (got >= (ssize_t)sizeof(struct fuse_in_header))
            serve(disk, (const void *)room);
    }
    free(room);
}

static void open_image(struct disk *disk, const char *path)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;

    if (file < 0 || fstat(file, &st) < 0)
        die(path);
    disk->size = (uint64_t)st.st_size;
    disk->bytes = mmap(NULL, disk->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (disk->bytes == MAP_FAILED)
        die(path);
    close(file);
}

int main(int argc, char **argv)
{
    struct disk disk;
    char options[100];

    if (argc != 4) {
        fprintf(stderr, "usage: disk IMAGE PLACE LOG\n");
        return 2;
    }
    open_image(&disk, argv[1]);
    disk.log = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    disk.device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (disk.log < 0 || disk.device < 0)
        die(disk.log < 0 ? argv[3] : "/dev/fuse");
    snprintf(options, sizeof(options), "fd=%d,rootmode=100600,user_id=0,group_id=0,max_read=%u", disk.device, WRITE_MAX);
    if (mount("disk", argv[2], "fuse", MS_NOSUID | MS_NODEV, options) < 0)
        die(argv[2]);
    serve_all(&disk);
    return 0;
}
