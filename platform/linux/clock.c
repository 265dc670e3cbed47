/* Time, randomness and the machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "platform/platform.h"

static int64_t clock_read(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_now(void)
{
    return clock_read(CLOCK_REALTIME);
}

int64_t clock_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

void random_bytes(void *data, size_t size)
{
    char *at = data;

    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);

        if (got <= 0)
            continue; /* interrupted before the pool was ready */
        at += got;
        size -= (size_t)got;
    }
}

void random_hex(char *out, size_t digits)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[64];

    for (size_t at = 0; at < digits;) {
        size_t part = digits - at < sizeof(bytes) ? digits - at : sizeof(bytes);

        random_bytes(bytes, part);
        for (size_t i = 0; i < part; i++)
            out[at++] = hex[bytes[i] & 15];
    }
    out[digits] = '\0';
}

const char *machine_boot_id(void)
{
    static _Thread_local char id[64];
    FILE *file;

#ifdef GANTRY_TEST_HOOKS
    if (getenv("GANTRY_TEST_BOOT_ID") != NULL)
        return getenv("GANTRY_TEST_BOOT_ID");
#endif
    file = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (file == NULL || fgets(id, sizeof(id), file) == NULL)
        snprintf(id, sizeof(id), "unknown");
    if (file != NULL)
        fclose(file);
    id[strcspn(id, "\n")] = '\0';
    return id;
}

const char *machine_os(void)
{
    return "linux";
}

const char *machine_arch(void)
{
#if defined(__x86_64__)
    return "amd64";
#elif defined(__aarch64__)
    return "arm64";
#elif defined(__arm__)
    return "arm";
#elif defined(__i386__)
    return "386";
#elif defined(__riscv) && __riscv_xlen == 64
    return "riscv64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
    return "ppc64le";
#elif defined(__s390x__)
    return "s390x";
#else
#error "name this architecture as images spell it"
#endif
}

const char *machine_variant(void)
{
#if defined(__aarch64__)
    return "v8";
#elif defined(__arm__)
    return "v7";
#else
    return "";
#endif
}

void machine_describe(struct machine *machine)
{
    struct utsname names;
    struct sysinfo info;

    memset(machine, 0, sizeof(*machine));
    if (uname(&names) == 0)
        snprintf(machine->kernel, sizeof(machine->kernel), "%s", names.release);
    if (sysinfo(&info) == 0)
        machine->memory = (uint64_t)info.totalram * info.mem_unit;
    machine->cpus = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(machine->cgroups, sizeof(machine->cgroups), "%s",
             access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "v2"
             : access("/sys/fs/cgroup/unified", F_OK) == 0          ? "hybrid"
                                                                     : "v1");
}
