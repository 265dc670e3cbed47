/* The systemd driver: names, and a conversation with a manager that is played here (it makes the
   group as systemd would).  With a real systemd (ci/vm boots one) it is asked instead. */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include "platform/linux/runtime/cgroup_systemd.h"
#include "platform/linux/runtime/dbus.h"
#include "tests/platform/runtime/cgroup_fixture.h"

/* ---- names --------------------------------------------------------------------------- */

static void slices_nest_by_their_names(void **state UNUSED)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    static const char *const bad[] = { "a",          "-a.slice",  "a-.slice",
                                       "a--b.slice", "a/b.slice", ".slice" };

    assert_string_equal(slice_path("system.slice", arena, &err), "/system.slice");
    assert_string_equal(slice_path("a-b-c.slice", arena, &err), "/a.slice/a-b.slice/a-b-c.slice");
    assert_string_equal(slice_path("-.slice", arena, &err), "");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_null(slice_path(bad[i], arena, &err));
}

static struct cgroup *scope_new(const char *path, bool rootless)
{
    struct cgroup_want want = {
        .path = path,
        .id = "box",
        .resources = &resources_place,
        .annotations = &annotations_place,
        .systemd = true,
        .rootless = rootless,
    };

    cgroup_free(&cgroup);
    cgroup = cgroup_new(&want, &err);
    return cgroup;
}

static void a_path_is_slice_prefix_and_name(void **state UNUSED)
{
    static const struct {
        const char *wanted, *unit, *slice;
    } good[] = {
        { "user-1.slice:libpod:abc", "libpod-abc.scope", "user-1.slice" },
        { ":gantry:abc", "gantry-abc.scope", "system.slice" },
        { "system.slice::abc", "abc.scope", "system.slice" },
        { NULL, "gantry-box.scope", "system.slice" },
        { "kube.slice:x:kube-pod.slice", "kube-pod.slice", "kube.slice" },
    };
    static const char *const bad[] = { "/a/b", "a:b", "a:b:c:d", "x:y:z/..", "nothing:y:z" };

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (scope_new(good[i].wanted, false) == NULL)
            fail_msg("%s", err.text);
        assert_string_equal(cgroup->unit, good[i].unit);
        assert_string_equal(cgroup->slice, good[i].slice);
        cgroup_free(&cgroup);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_null(scope_new(bad[i], false));
        assert_non_null(strstr(err.text, "linux.cgroupsPath: "));
    }
}

/* ---- properties ------------------------------------------------------------------------ */

static bool has_bytes(const struct buffer *buffer, const void *bytes, size_t size)
{
    return memmem(buffer->data, buffer->size, bytes, size) != NULL;
}

static int annotations(const char *text, struct buffer *out)
{
    struct place place;

    json_decref(document);
    document = draft_read(text, strlen(text), &err);
    assert_non_null(document);
    place = place_document(document);
    return annotations_properties(&place, out, &err);
}

static void annotations_become_properties(void **state UNUSED)
{
    struct buffer out = { 0 }, bad = { 0 };
    uint64_t seconds = 7000000;

    if (annotations("{\"org.systemd.property.TimeoutStopSec\":\"uint64 7\",\"other\":\"x\","
                    "\"org.systemd.property.CollectMode\":\"'inactive'\","
                    "\"org.systemd.property.After\":\"['a.service', \\\"b.service\\\"]\","
                    "\"org.systemd.property.IOAccounting\":\"true\"}",
                    &out) < 0)
        fail_msg("%s", err.text);
    assert_true(has_bytes(&out, "TimeoutStopUSec\0\1t", 18));
    assert_true(has_bytes(&out, &seconds, sizeof(seconds)));
    assert_true(has_bytes(&out, "inactive", 9));
    assert_true(has_bytes(&out, "b.service", 10));
    assert_true(has_bytes(&out, "IOAccounting\0\1b", 15));
    buffer_free(&out);
    assert_int_equal(annotations("{\"org.systemd.property.X_Y\":\"1\"}", &bad), -1);
    assert_int_equal(annotations("{\"org.systemd.property.Nice\":\"['a'\"}", &bad), -1);
    assert_int_equal(annotations("{\"org.systemd.property.Nice\":\"7 8\"}", &bad), -1);
    assert_non_null(strstr(err.text, "org.systemd.property.Nice: is 7 8"));
    buffer_free(&bad);
}

/* ---- a manager --------------------------------------------------------------------------- */

static char run_folder[64];

static void manager_answer(int peer, uint8_t type, uint32_t serial, const char *member,
                           const char *signature, const struct buffer *body)
{
    const uint8_t head[4] = { 'l', type, 0, 1 };
    struct buffer out = { 0 };
    size_t fields;

    buffer_add(&out, head, 4);
    dbus_u32(&out, (uint32_t)body->size);
    dbus_u32(&out, 1);
    fields = dbus_array_open(&out, 8);
    if (type == DBUS_SIGNAL) {
        buffer_add(&out, "\3", 1);
        dbus_signature(&out, "s");
        dbus_text(&out, member);
    } else {
        buffer_add(&out, "\5", 1);
        dbus_signature(&out, "u");
        dbus_u32(&out, serial);
    }
    dbus_align(&out, 8);
    buffer_add(&out, "\10", 1);
    dbus_signature(&out, "g");
    dbus_signature(&out, signature);
    dbus_array_close(&out, fields, 8);
    dbus_align(&out, 8);
    buffer_add(&out, body->data, body->size);
    if (write(peer, out.data, out.size) != (ssize_t)out.size)
        _exit(9);
    buffer_free(&out);
}

static void manager_job(int peer, uint32_t serial, const char *result)
{
    static const char job[] = "/org/freedesktop/systemd1/job/7";
    struct buffer reply = { 0 }, removed = { 0 };

    dbus_text(&reply, job);
    manager_answer(peer, DBUS_REPLY, serial, "", "o", &reply);
    dbus_u32(&removed, 8); /* somebody else's */
    dbus_text(&removed, "/org/freedesktop/systemd1/job/8");
    dbus_text(&removed, "other.scope");
    dbus_text(&removed, "done");
    manager_answer(peer, DBUS_SIGNAL, 0, "JobRemoved", "uoss", &removed);
    buffer_free(&removed);
    dbus_u32(&removed, 7);
    dbus_text(&removed, job);
    dbus_text(&removed, "gantry-box.scope");
    dbus_text(&removed, result);
    manager_answer(peer, DBUS_SIGNAL, 0, "JobRemoved", "uoss", &removed);
    buffer_free(&removed);
    buffer_free(&reply);
}

/* Serves one connection and one call, of which it sees the words only. */
static void manager_serve(int listener, const char *method, const char *wanted, const char *result)
{
    static const char words[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
    char bytes[8192], *found;
    uint32_t serial;
    ssize_t got;
    int peer = accept(listener, NULL, NULL);

    if (read(peer, bytes, sizeof(words) - 1) != sizeof(words) - 1 ||
        memcmp(bytes, words, sizeof(words) - 1) != 0 || write(peer, "DATA\r\nOK 12\r\n", 13) != 13)
        _exit(1);
    got = read(peer, bytes, sizeof(bytes));
    if (got < 16 || memmem(bytes, (size_t)got, method, strlen(method)) == NULL)
        _exit(2);
    found = memmem(bytes, (size_t)got, wanted, strlen(wanted));
    memcpy(&serial, bytes + 8, sizeof(serial));
    manager_job(peer, serial, found != NULL ? result : "not asked for");
    close(peer);
}

static int manager_listen(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(run_folder, sizeof(run_folder), "/tmp/gantry-systemd-XXXXXX");
    assert_non_null(mkdtemp(run_folder));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/systemd", run_folder);
    assert_int_equal(mkdir(address.sun_path, 0700), 0);
    strcat(address.sun_path, "/private");
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 4), 0);
    setenv("XDG_RUNTIME_DIR", run_folder, 1);
    return listener;
}

static int teardown(void **state)
{
    char command[128];

    cgroup_teardown(state);
    unsetenv("XDG_RUNTIME_DIR");
    snprintf(command, sizeof(command), "%s/systemd/private", run_folder);
    unlink(command);
    *strrchr(command, '/') = '\0';
    rmdir(command);
    rmdir(run_folder);
    run_folder[0] = '\0';
    return 0;
}

static void a_job_that_fails_is_told(void **state UNUSED)
{
    int listener = manager_listen(), status;
    pid_t manager = fork();

    if (manager == 0) {
        manager_serve(listener, "StartTransientUnit", "gantry-box.scope", "timeout");
        _exit(0);
    }
    assert_non_null(scope_new(NULL, true));
    assert_int_equal(cgroup_make(cgroup, &err), 0);
    assert_int_equal(cgroup_folder(cgroup), -1);
    assert_int_equal(cgroup_enter(cgroup, getpid(), &err), -1);
    assert_string_equal(err.text,
                        "systemd: start gantry-box.scope: the job ended with \"timeout\"");
    assert_int_equal(waitpid(manager, &status, 0), manager);
    assert_int_equal(status, 0);
    close(listener);
    cgroup_free(&cgroup);
}

static void a_stop_waits_for_its_job(void **state UNUSED)
{
    int listener = manager_listen(), status;
    pid_t manager = fork();

    if (manager == 0) {
        manager_serve(listener, "StopUnit", "gantry-box.scope", "done");
        _exit(0);
    }
    assert_non_null(scope_new(NULL, true));
    if (cgroup_remove(cgroup, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(waitpid(manager, &status, 0), manager);
    assert_int_equal(status, 0);
    close(listener);
    cgroup_free(&cgroup);
}

static void where_no_systemd_runs_the_error_says_so(void **state UNUSED)
{
    setenv("XDG_RUNTIME_DIR", "/nowhere", 1);
    assert_non_null(scope_new(NULL, true));
    assert_int_equal(cgroup_enter(cgroup, getpid(), &err), -1);
    assert_non_null(strstr(err.text, "needs systemd, which does not run here"));
    cgroup_free(&cgroup);
}

/* ---- the real one --------------------------------------------------------------------------- */

static void a_real_systemd_makes_limits_and_ends_a_scope(void **state UNUSED)
{
    CLEANUP(json_decrefp) json_t *saved = NULL;
    static const char update[] = "{\"pids\":{\"limit\":9},\"cpu\":{\"quota\":20000}}";
    CLEANUP(json_decrefp) json_t *more = NULL;
    struct place place;
    const char *memory;
    pid_t pid;

    if (access("/run/systemd/private", F_OK) < 0 || geteuid() != 0)
        skip_because("no systemd runs here");
    more = draft_read(update, sizeof(update) - 1, &err);
    place = place_document(more);
    group_new("{\"memory\":{\"limit\":52428800},\"pids\":{\"limit\":7},\"cpu\":{\"shares\":1024,"
              "\"cpus\":\"0\"},\"devices\":[{\"allow\":false}]}",
              NULL);
    assert_non_null(scope_new("gantry-test.slice:unit:box", false));
    pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    if (cgroup_enter(cgroup, pid, &err) < 0)
        fail_msg("%s", err.text);
    assert_non_null(
        strstr(cgroup_any(cgroup)->path, "/gantry.slice/gantry-test.slice/unit-box.scope"));
    memory = cgroup_is_v2(cgroup) ? "memory.max" : "memory.limit_in_bytes";
    assert_string_equal(group_says(cgroup_is_v2(cgroup) ? "" : "memory", memory), "52428800");
    if (cgroup_update(cgroup, &place, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(group_says(cgroup_is_v2(cgroup) ? "" : "pids", "pids.max"), "9");
    saved = cgroup_save(cgroup);
    cgroup_free(&cgroup);
    cgroup = cgroup_load(saved, &err);
    if (cgroup_remove(cgroup, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(access(cgroup_any(cgroup)->folder, F_OK), -1);
}

#define T(test) cmocka_unit_test_setup_teardown(test, cgroup_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(slices_nest_by_their_names),
        T(a_path_is_slice_prefix_and_name),
        T(annotations_become_properties),
        T(a_job_that_fails_is_told),
        T(a_stop_waits_for_its_job),
        T(where_no_systemd_runs_the_error_says_so),
        T(a_real_systemd_makes_limits_and_ends_a_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
