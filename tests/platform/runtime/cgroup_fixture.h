/*
 * cgroup_fixture — a control group of the test's own: made from a text of linux.resources, with
 * processes in it that do nothing until they are killed.
 */
#ifndef TEST_CGROUP_FIXTURE_H
#define TEST_CGROUP_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/linux/runtime/cgroup_parts.h"
#include "protocol/oci/draft.h"

static json_t *document;
static struct cgroup *cgroup;
static struct error err;
static char name_of_test[64];

static UNUSED int cgroup_setup(void **state UNUSED)
{
    snprintf(name_of_test, sizeof(name_of_test), "/gantry-test-%d", (int)getpid());
    return 0;
}

static UNUSED int cgroup_teardown(void **state UNUSED)
{
    struct error ignored;

    if (cgroup != NULL)
        cgroup_remove(cgroup, &ignored);
    cgroup_free(&cgroup);
    json_decref(document);
    document = NULL;
    return 0;
}

/* The places that a cgroup_want points to. */
static struct place top, linux_place, resources_place, annotations_place;

/* `resources` is JSON; `path` NULL: one of the test's own. */
static UNUSED struct cgroup *group_new(const char *resources, const char *path)
{
    struct cgroup_want want = {
        .path = path != NULL ? path : name_of_test,
        .id = name_of_test + 1,
        .resources = &resources_place,
        .annotations = &annotations_place,
    };
    struct buffer text = { 0 };

    json_decref(document);
    buffer_add(&text, "{\"linux\":{\"resources\":", 22);
    buffer_add(&text, resources, strlen(resources));
    buffer_add(&text, "}}", 2);
    document = draft_read(text.data, text.size, &err);
    buffer_free(&text);
    if (document == NULL)
        fail_msg("%s", err.text);
    top = place_document(document);
    linux_place = place_member(&top, "linux");
    resources_place = place_member(&linux_place, "resources");
    annotations_place = place_member(&top, "annotations");
    cgroup_free(&cgroup);
    cgroup = cgroup_new(&want, &err);
    return cgroup;
}

static UNUSED void group_made(const char *resources)
{
    if (group_new(resources, NULL) == NULL || cgroup_make(cgroup, &err) < 0)
        fail_msg("%s", err.text);
}

/* What a control file of the group says, without the newline at the end. */
static UNUSED const char *group_says(const char *controller, const char *file)
{
    static char text[8192];
    const struct group *group = cgroup_group(cgroup, controller);

    if (group == NULL)
        fail_msg("there is no group for %s", controller);
    if (control_get(group->folder, file, text, sizeof(text)) < 0)
        fail_msg("%s/%s: %s", group->folder, file, strerror(errno));
    if (text[0] != '\0' && text[strlen(text) - 1] == '\n')
        text[strlen(text) - 1] = '\0';
    return text;
}

/* A process that enters by itself, tells so, and then does `work` if there is any, or waits. */
static UNUSED pid_t child_start(void (*work)(void))
{
    struct clone_args args = { .exit_signal = SIGCHLD };
    int folder = cgroup_folder(cgroup), told[2];
    char ready = 0;
    pid_t pid;

    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    if (folder >= 0) {
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = (__u64)folder;
    }
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0)
        fail_msg("clone3: %s", strerror(errno));
    if (pid == 0) {
        ready = cgroup_join(cgroup, &err) == 0;
        if (write(told[1], &ready, 1) == 1 && work != NULL)
            work();
        for (;;)
            pause();
    }
    close(told[1]);
    if (read(told[0], &ready, 1) != 1 || !ready)
        fail_msg("the child cannot enter");
    close(told[0]);
    return pid;
}

static UNUSED void skip_because(const char *why)
{
    printf("skipped: %s\n", why);
    skip();
}

#endif
