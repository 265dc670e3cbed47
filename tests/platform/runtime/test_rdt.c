/* Classes of caches: made, joined, refused, told of and removed, in a folder like resctrl; and in
   the kernel's own, where there is one. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "resctrl_fixture.h"

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/rdt.h"

static struct rdt *rdt;
static pid_t sleeper;

static int teardown(void **state)
{
    rdt_free(&rdt);
    if (sleeper > 0) {
        kill(sleeper, SIGKILL);
        waitpid(sleeper, NULL, 0);
    }
    sleeper = 0;
    return resctrl_teardown(state);
}

static pid_t sleeper_start(void)
{
    sleeper = fork();
    if (sleeper == 0)
        for (;;)
            pause();
    return sleeper;
}

/* linux.intelRdt is this, and the container's name `id`. */
static int rdt_of(const char *id, const char *text)
{
    static struct place linux_;
    char whole[8192];

    rdt_free(&rdt);
    snprintf(whole, sizeof(whole), "{\"intelRdt\":%s}", text);
    linux_ = document_of(whole);
    return rdt_new(&linux_, id, resctrl, &rdt, &err);
}

static void rdt_is(const char *id, const char *text)
{
    if (rdt_of(id, text) < 0)
        fail_msg("%s", err.text);
}

static void rdt_made(const char *id, const char *text)
{
    rdt_is(id, text);
    if (rdt_make(rdt, &err) < 0)
        fail_msg("%s", err.text);
}

static void refused(enum error_code code, const char *part)
{
    if (err.code != code || strstr(err.text, part) == NULL)
        fail_msg("expected %s, got %s", part, err.text);
}

static bool is_there(const char *name)
{
    return access(in_resctrl(name), F_OK) == 0;
}

static void class_exists(const char *name, const char *schemata)
{
    assert_int_equal(mkdir(in_resctrl(name), 0755), 0);
    file_fill(in_resctrl(name), "schemata", schemata);
}

/* ---- the class ---------------------------------------------------------------------- */

static void without_the_field_nothing_is_done(void **state UNUSED)
{
    struct place place = document_of("{}");

    assert_int_equal(rdt_new(&place, "c1", NULL, &rdt, &err), 0);
    assert_null(rdt);
    assert_int_equal(rdt_load(NULL, &rdt, &err), 0);
    assert_null(rdt);
}

static void a_class_of_its_own_comes_and_goes_with_the_container(void **state UNUSED)
{
    char task[16];

    rdt_made("c1", "{\"l3CacheSchema\":\"L3:0=f0;1=1f\",\"memBwSchema\":\"MB:0=20;1=70\"}");
    assert_string_equal(file_text(in_resctrl("c1/schemata")),
                        "    L3:0=f0;1=1f\n    MB:0=20;1=70\n");
    assert_int_equal(rdt_enter(rdt, sleeper_start(), &err), 0);
    snprintf(task, sizeof(task), "%d\n", (int)sleeper);
    assert_string_equal(file_text(in_resctrl("c1/tasks")), task);
    assert_int_equal(rdt_remove(rdt, &err), 0);
    assert_false(is_there("c1"));
    assert_int_equal(rdt_remove(rdt, &err), 0);
}

static void an_empty_field_is_a_class_as_it_is_made(void **state UNUSED)
{
    rdt_made("c1", "{}");
    assert_string_equal(file_text(in_resctrl("c1/schemata")),
                        "    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n");
}

static void schemata_are_written_last(void **state UNUSED)
{
    rdt_made("c1",
             "{\"schemata\":[\"L3:0=3\",\"MB:1=50\"],\"l3CacheSchema\":\"L3:0=f0;1=f0\\nMB:0=30\","
             "\"memBwSchema\":\"MB:0=40;1=90\"}");
    assert_string_equal(file_text(in_resctrl("c1/schemata")),
                        "    L3:0=3;1=f0\n    MB:0=40;1=50\n");
}

static void a_folder_that_was_there_before_stays(void **state UNUSED)
{
    CLEANUP(json_decrefp) json_t *saved = NULL;

    class_exists("c1", "    L3:0=7ff;1=7ff\n");
    rdt_made("c1", "{\"l3CacheSchema\":\"L3:0=f\"}");
    assert_string_equal(file_text(in_resctrl("c1/schemata")), "    L3:0=f;1=7ff\n");
    saved = rdt_save(rdt);
    rdt_free(&rdt);
    assert_int_equal(rdt_load(saved, &rdt, &err), 0);
    assert_int_equal(rdt_undo(rdt, &err), 0);
    assert_int_equal(rdt_remove(rdt, &err), 0);
    assert_true(is_there("c1"));
}

static void what_the_kernel_refuses_leaves_nothing_and_says_why(void **state UNUSED)
{
    rdt_is("c1",
           "{\"l3CacheSchema\":\"L3:0=f\",\"schemata\":[\"L2:0=1\"],\"enableMonitoring\":true}");
    assert_int_equal(rdt_make(rdt, &err), -1);
    refused(ERROR_INVALID_ARGUMENT, "linux.intelRdt.schemata: write L2:0=1");
    assert_non_null(strstr(err.text, "(Unknown resource name)"));
    assert_false(is_there("c1"));
}

static void a_processor_without_more_classes_is_told(void **state UNUSED)
{
    classes_left = 0;
    rdt_is("c1", "{}");
    assert_int_equal(rdt_make(rdt, &err), -1);
    refused(ERROR_RESOURCE_EXHAUSTED, "num_closids");
    assert_non_null(strstr(err.text, "Out of CLOSIDs"));
    assert_false(is_there("c1"));
}

/* ---- a class by name ------------------------------------------------------------------ */

static void a_named_class_is_made_once_and_outlives_its_containers(void **state UNUSED)
{
    for (int i = 0; i < 2; i++) {
        rdt_made("c1",
                 "{\"closID\":\"gold\",\"l3CacheSchema\":\"L3:0=F0\",\"memBwSchema\":\"MB:0=15\"}");
        assert_int_equal(rdt_remove(rdt, &err), 0);
        assert_true(is_there("gold"));
    }
    assert_string_equal(file_text(in_resctrl("gold/schemata")),
                        "    L3:0=f0;1=7ff\n    MB:0=20;1=100\n");
}

static void a_named_class_that_is_missing_is_refused(void **state UNUSED)
{
    rdt_is("c1", "{\"closID\":\"gold\"}");
    assert_int_equal(rdt_make(rdt, &err), -1);
    refused(ERROR_FAILED_PRECONDITION, "linux.intelRdt.closID: there is no class gold");
    assert_false(is_there("gold"));
}

static void a_named_class_is_joined_as_it_is(void **state UNUSED)
{
    class_exists("gold", "    L3:0=f;1=f\n");
    rdt_made("c1", "{\"closID\":\"gold\"}");
    assert_int_equal(rdt_enter(rdt, sleeper_start(), &err), 0);
    assert_string_not_equal(file_text(in_resctrl("gold/tasks")), "");
    assert_string_equal(file_text(in_resctrl("gold/schemata")), "    L3:0=f;1=f\n");
}

static void a_named_class_that_differs_is_refused_and_not_changed(void **state UNUSED)
{
    static const struct {
        const char *asks, *part;
    } rows[] = {
        { "\"l3CacheSchema\":\"L3:0=f;1=ff\"", "l3CacheSchema: wants L3:1=ff" },
        { "\"l3CacheSchema\":\"L3:0=f;2=f\"", "has none" },
        { "\"memBwSchema\":\"MB:0=30\"", "memBwSchema: wants MB:0=30" },
        { "\"schemata\":[\"L3:0=f\",\"L2:0=1\"]", "schemata: wants L2:0=1" },
        { "\"l3CacheSchema\":\"L3:0=f\",\"schemata\":[\"L3:0=3\"]", "l3CacheSchema: wants L3:0=3" },
    };

    class_exists("gold", "    MB:0=20;1=20\n    L3:0=00f;1=f\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[256];

        snprintf(text, sizeof(text), "{\"closID\":\"gold\",%s}", rows[i].asks);
        rdt_is("c1", text);
        assert_int_equal(rdt_make(rdt, &err), -1);
        refused(ERROR_FAILED_PRECONDITION, rows[i].part);
        assert_string_equal(file_text(in_resctrl("gold/schemata")),
                            "    MB:0=20;1=20\n    L3:0=00f;1=f\n");
    }
    rdt_made("c1", "{\"closID\":\"gold\",\"l3CacheSchema\":\"L3: 00 = 0F ; 1=f\",\"memBwSchema\":"
                   "\"MB:0=11\",\"schemata\":[\"L3:1=f\"]}");
}

static void a_slash_is_the_default_class(void **state UNUSED)
{
    CLEANUP(json_decrefp) json_t *saved = NULL;

    rdt_made("c1", "{\"closID\":\"/\",\"enableMonitoring\":true}");
    assert_int_equal(rdt_enter(rdt, sleeper_start(), &err), 0);
    assert_string_not_equal(file_text(in_resctrl("tasks")), "");
    assert_string_not_equal(file_text(in_resctrl("mon_groups/c1/tasks")), "");
    saved = rdt_save(rdt);
    rdt_free(&rdt);
    assert_int_equal(rdt_load(saved, &rdt, &err), 0);
    assert_int_equal(rdt_remove(rdt, &err), 0);
    assert_false(is_there("mon_groups/c1"));
    assert_true(is_there("schemata"));
}

static void the_default_class_is_never_changed(void **state UNUSED)
{
    struct place place;

    rdt_is("c1", "{\"closID\":\"/\",\"l3CacheSchema\":\"L3:0=f\"}");
    assert_int_equal(rdt_make(rdt, &err), -1);
    refused(ERROR_FAILED_PRECONDITION, "the class /");
    rdt_made("c1", "{\"closID\":\"/\",\"l3CacheSchema\":\"L3:0=7ff\"}");
    place = place_document(document_json);
    assert_int_equal(rdt_update(rdt, &place, &err), -1);
    refused(ERROR_FAILED_PRECONDITION, "the default class");
}

static void a_create_that_fails_takes_its_named_class_back(void **state UNUSED)
{
    rdt_made("c1", "{\"closID\":\"gold\",\"l3CacheSchema\":\"L3:0=f\",\"enableMonitoring\":true}");
    assert_int_equal(rdt_undo(rdt, &err), 0);
    assert_false(is_there("gold"));
    rdt_made("c1", "{\"closID\":\"gold\",\"l3CacheSchema\":\"L3:0=f\",\"enableMonitoring\":true}");
    file_fill(in_resctrl("gold"), "tasks", "4711\n"); /* another container's */
    assert_int_equal(rdt_undo(rdt, &err), 0);
    assert_true(is_there("gold"));
    assert_false(is_there("gold/mon_groups/c1"));
    rdt_made("c2", "{\"closID\":\"gold\"}"); /* which it has not made */
    assert_int_equal(rdt_undo(rdt, &err), 0);
    assert_true(is_there("gold"));
}

static void who_holds_the_lock_is_waited_for_but_not_forever(void **state UNUSED)
{
    CLEANUP(file_close) int root = open(resctrl, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(flock(root, LOCK_EX), 0);
    rdt_is("c1", "{}");
    assert_int_equal(rdt_make(rdt, &err), -1);
    refused(ERROR_DEADLINE_EXCEEDED, "somebody holds the lock");
    assert_false(is_there("c1"));
}

/* ---- what is malformed --------------------------------------------------------------- */

static void what_is_malformed_is_named(void **state UNUSED)
{
    static const struct {
        const char *asks, *part;
    } rows[] = {
        { "[]", "intelRdt: must be an object" },
        { "{\"closID\":5}", "intelRdt.closID" },
        { "{\"closID\":\"a/b\"}", "intelRdt.closID: a/b is no name" },
        { "{\"closID\":\"..\"}", "intelRdt.closID: .. is no name" },
        { "{\"closID\":\"info\"}", "intelRdt.closID: info is no name" },
        { "{\"closID\":\"mon_groups\"}", "intelRdt.closID: mon_groups is no name" },
        { "{\"closID\":\"a\\nb\"}", "intelRdt.closID" },
        { "{\"l3CacheSchema\":7}", "intelRdt.l3CacheSchema" },
        { "{\"memBwSchema\":\"L3:0=f\"}", "intelRdt.memBwSchema: must be one line" },
        { "{\"memBwSchema\":\"MB:0=1\\nMB:0=2\"}", "intelRdt.memBwSchema: must be one line" },
        { "{\"schemata\":\"L3:0=f\"}", "intelRdt.schemata: " },
        { "{\"schemata\":[\"L3:0=f\",\"\"]}", "intelRdt.schemata[1]: must be one line" },
        { "{\"schemata\":[\"L3:0=f\\nL3:1=f\"]}", "intelRdt.schemata[0]: must be one line" },
        { "{\"enableMonitoring\":\"yes\"}", "intelRdt.enableMonitoring" },
        { "{\"enableCMT\":1}", "intelRdt.enableCMT" },
        { "{\"enableMBM\":1}", "intelRdt.enableMBM" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(rdt_of("c1", rows[i].asks), -1);
        refused(ERROR_INVALID_ARGUMENT, rows[i].part);
        assert_null(rdt);
    }
    assert_int_equal(rdt_of("mon_data", "{}"), -1);
    refused(ERROR_INVALID_ARGUMENT, "intelRdt.closID: is needed");
}

static void what_the_kernel_cannot_take_at_once_is_refused(void **state UNUSED)
{
    char text[8000] = "{\"schemata\":[\"L3:0=f\"";

    while (strlen(text) < 6000)
        strcat(text, ",\"L3:0=f;1=f;2=f;3=f\"");
    strcat(text, "]}");
    assert_int_equal(rdt_of("c1", text), -1);
    refused(ERROR_INVALID_ARGUMENT, "intelRdt.schemata: is longer than 4095 bytes");
}

static void saved_names_cannot_lead_elsewhere(void **state UNUSED)
{
    static const char *const saved[] = {
        "{\"root\":\"/r\",\"class\":\"../x\",\"own\":true}",
        "{\"root\":\"/r\",\"class\":\"x\",\"monitor\":\"../../x\"}",
        "{\"class\":\"x\"}",
    };

    for (size_t i = 0; i < COUNT_OF(saved); i++) {
        document_of(saved[i]);
        assert_int_equal(rdt_load(document_json, &rdt, &err), -1);
        assert_null(rdt);
    }
}

/* ---- monitoring ------------------------------------------------------------------------ */

static void a_monitoring_group_is_the_containers(void **state UNUSED)
{
    CLEANUP(json_decrefp) json_t *saved = NULL;

    class_exists("gold", "    L3:0=f;1=f\n");
    rdt_made("c1", "{\"closID\":\"gold\",\"enableMonitoring\":true}");
    saved = rdt_save(rdt); /* as state.json is written before */
    assert_int_equal(rdt_enter(rdt, sleeper_start(), &err), 0);
    assert_string_not_equal(file_text(in_resctrl("gold/mon_groups/c1/tasks")), "");
    assert_int_equal(rdt_of("c1", "{\"closID\":\"gold\",\"enableMonitoring\":true}"), -1);
    refused(ERROR_ALREADY_EXISTS, "gold/mon_groups/c1");
    assert_true(is_there("gold/mon_groups/c1"));
    assert_int_equal(rdt_load(saved, &rdt, &err), 0);
    assert_int_equal(rdt_remove(rdt, &err), 0);
    assert_false(is_there("gold/mon_groups/c1"));
    assert_true(is_there("gold"));
}

static void the_words_of_older_specs_ask_for_monitoring_too(void **state UNUSED)
{
    rdt_made("c1", "{\"enableCMT\":true}");
    assert_true(is_there("c1/mon_groups/c1"));
    rdt_made("c2", "{\"enableMBM\":true,\"enableCMT\":false}");
    assert_true(is_there("c2/mon_groups/c2"));
    rdt_made("c3", "{\"enableMBM\":false,\"enableMonitoring\":false}");
    assert_false(is_there("c3/mon_groups/c3"));
    file_fill(resctrl, "info/L3_MON/mon_features", "mbm_total_bytes\nmbm_total_bytes_config\n");
    rdt_is("c4", "{\"enableMBM\":true}");
    assert_int_equal(rdt_of("c4", "{\"enableCMT\":true}"), -1);
    refused(ERROR_FAILED_PRECONDITION, "enableCMT: this machine does not count");
}

static void a_machine_that_cannot_monitor_says_so(void **state UNUSED)
{
    assert_int_equal(__real_rmdir(in_resctrl("mon_groups")), 0);
    assert_int_equal(rdt_of("c1", "{\"enableMonitoring\":true}"), -1);
    refused(ERROR_FAILED_PRECONDITION, "enableMonitoring: this machine cannot monitor");
}

static void without_more_monitoring_groups_the_class_goes_again(void **state UNUSED)
{
    groups_left = 0;
    rdt_is("c1", "{\"enableMonitoring\":true}");
    assert_int_equal(rdt_make(rdt, &err), -1);
    refused(ERROR_RESOURCE_EXHAUSTED, "enableMonitoring");
    assert_false(is_there("c1"));
}

/* ---- a running container ---------------------------------------------------------------- */

static void an_update_changes_what_it_names(void **state UNUSED)
{
    struct place place;

    rdt_made("c1", "{\"l3CacheSchema\":\"L3:0=f0\",\"memBwSchema\":\"MB:0=20\"}");
    place = document_of("{\"intelRdt\":{\"memBwSchema\":\"MB:1=50\"}}");
    assert_int_equal(rdt_update(rdt, &place, &err), 0);
    assert_string_equal(file_text(in_resctrl("c1/schemata")),
                        "    L3:0=f0;1=7ff\n    MB:0=20;1=50\n");
    place = document_of("{\"intelRdt\":{\"l3CacheSchema\":\"L9:1=5\"}}");
    assert_int_equal(rdt_update(rdt, &place, &err), -1);
    refused(ERROR_INVALID_ARGUMENT, "linux.intelRdt.l3CacheSchema: write L9:1=5");
}

static void *wait_forever(void *ctx)
{
    for (;;)
        pause();
    return ctx;
}

static void threads_start(int told)
{
    pthread_t thread;
    char ready = 1;

    for (int i = 0; i < 3; i++)
        ready &= pthread_create(&thread, NULL, wait_forever, NULL) == 0;
    if (__real_write(told, &ready, 1) == 1)
        wait_forever(NULL);
    _exit(1);
}

static void every_thread_in_the_control_groups_is_gathered(void **state UNUSED)
{
    CLEANUP(cgroup_free) struct cgroup *cgroup = NULL;
    struct place place = document_of("{}"), none = place_member(&place, "resources");
    struct cgroup_want want = {
        .id = "x", .path = "/gantry-test-rdt", .resources = &none, .annotations = &none
    };
    char folder[32], ready = 0;
    struct dirent *entry;
    int told[2], found = 0;
    DIR *list;

#ifdef __SANITIZE_THREAD__
    printf("skipped: ThreadSanitizer has threads of its own, which are counted\n");
    skip();
#endif
    if (geteuid() != 0) {
        printf("skipped: control groups need root\n");
        skip();
    }
    cgroup = cgroup_new(&want, &err);
    assert_non_null(cgroup);
    assert_int_equal(cgroup_make(cgroup, &err), 0);
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    sleeper = fork();
    if (sleeper == 0)
        threads_start(told[1]);
    assert_int_equal(cgroup_enter(cgroup, sleeper, &err), 0);
    assert_int_equal(read(told[0], &ready, 1), 1);
    assert_int_equal(ready, 1);
    rdt_made("c1", "{}");
    assert_int_equal(rdt_gather(rdt, cgroup, &err), 0);
    snprintf(folder, sizeof(folder), "/proc/%d/task", (int)sleeper);
    list = opendir(folder);
    while ((entry = readdir(list)) != NULL)
        found += entry->d_name[0] != '.' && has_task(in_resctrl("c1/tasks"), entry->d_name);
    closedir(list);
    assert_int_equal(found, 4);
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    close(told[0]);
    close(told[1]);
}

static const json_t *at(const json_t *stats, const char *key, const char *below_key)
{
    const json_t *found = json_object_get(stats, key);

    found = below_key != NULL ? json_object_get(found, below_key) : found;
    if (found == NULL)
        fail_msg("no %s %s", key, below_key != NULL ? below_key : "");
    return found;
}

static void what_a_class_gives_and_counts_is_told(void **state UNUSED)
{
    CLEANUP(json_decrefp) json_t *stats = NULL;
    const json_t *list;

    rdt_made("c1", "{\"l3CacheSchema\":\"L3:0=f0\"}");
    stats = rdt_statistics(rdt);
    assert_string_equal(json_string_value(at(stats, "l3_cache_info", "cbm_mask")), "7ff");
    assert_int_equal(json_integer_value(at(stats, "l3_cache_info", "min_cbm_bits")), 1);
    assert_int_equal(json_integer_value(at(stats, "l3_cache_info", "num_closids")), 16);
    assert_int_equal(json_integer_value(at(stats, "mem_bw_info", "bandwidth_gran")), 10);
    assert_int_equal(json_integer_value(at(stats, "mem_bw_info", "num_closids")), 8);
    assert_string_equal(json_string_value(at(stats, "l3_cache_schema_root", NULL)),
                        "L3:0=7ff;1=7ff");
    assert_string_equal(json_string_value(at(stats, "mem_bw_schema_root", NULL)), "MB:0=100;1=100");
    assert_string_equal(json_string_value(at(stats, "l3_cache_schema", NULL)), "L3:0=f0;1=7ff");
    assert_string_equal(json_string_value(at(stats, "mem_bw_schema", NULL)), "MB:0=100;1=100");
    assert_int_equal(json_array_size(at(stats, "schemata", NULL)), 2);
    list = at(stats, "cmt_stats", NULL);
    assert_int_equal(json_array_size(list), 1); /* the second domain is not available */
    assert_int_equal(json_integer_value(at(json_array_get(list, 0), "llc_occupancy", NULL)), 1000);
    list = at(stats, "mbm_stats", NULL);
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_integer_value(at(json_array_get(list, 1), "mbm_total_bytes", NULL)),
                     4096);
    assert_int_equal(json_integer_value(at(json_array_get(list, 1), "mbm_local_bytes", NULL)), 0);
}

static void counters_of_others_are_not_the_containers(void **state UNUSED)
{
    CLEANUP(json_decrefp) json_t *shared = NULL;
    CLEANUP(json_decrefp) json_t *own = NULL;

    class_exists("gold", "    L3:0=f;1=f\n");
    rdt_made("c1", "{\"closID\":\"gold\"}");
    shared = rdt_statistics(rdt);
    assert_null(json_object_get(shared, "cmt_stats"));
    assert_non_null(json_object_get(shared, "l3_cache_schema"));
    rdt_made("c2", "{\"closID\":\"gold\",\"enableMonitoring\":true}");
    own = rdt_statistics(rdt);
    assert_int_equal(json_integer_value(
                         at(json_array_get(at(own, "cmt_stats", NULL), 0), "llc_occupancy", NULL)),
                     500);
}

/* ---- the kernel's own --------------------------------------------------------------------- */

static void only_the_kernels_own_is_taken_for_it(void **state UNUSED)
{
    struct place place = document_of("{\"intelRdt\":{}}");
    char root[PATH_SIZE];

    if (rdt_find(root, &err) == 0)
        skip();
    refused(ERROR_FAILED_PRECONDITION, "linux.intelRdt: resctrl is not mounted");
    assert_int_equal(rdt_new(&place, "c1", NULL, &rdt, &err), -1);
    refused(ERROR_FAILED_PRECONDITION, "linux.intelRdt: resctrl is not mounted");
}

static void the_kernel_makes_a_class_as_the_folder_does(void **state UNUSED)
{
    struct place place = document_of("{\"intelRdt\":{}}");
    char root[PATH_SIZE], line[PATH_SIZE + 80], name[64];

    if (rdt_find(root, &err) < 0) {
        printf(
            "not tested: that the kernel takes what is written, counts, and moves threads (%s)\n",
            err.text);
        skip();
    }
    snprintf(name, sizeof(name), "gantry-test-%d", (int)getpid());
    assert_int_equal(rdt_new(&place, name, NULL, &rdt, &err), 0);
    if (rdt_make(rdt, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(rdt_enter(rdt, sleeper_start(), &err), 0);
    snprintf(line, sizeof(line), "%s/%s/tasks", root, name);
    assert_int_equal(atoi(file_text(line)), sleeper);
    assert_int_equal(rdt_remove(rdt, &err), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, resctrl_setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(without_the_field_nothing_is_done),
        T(a_class_of_its_own_comes_and_goes_with_the_container),
        T(an_empty_field_is_a_class_as_it_is_made),
        T(schemata_are_written_last),
        T(a_folder_that_was_there_before_stays),
        T(what_the_kernel_refuses_leaves_nothing_and_says_why),
        T(a_processor_without_more_classes_is_told),
        T(a_named_class_is_made_once_and_outlives_its_containers),
        T(a_named_class_that_is_missing_is_refused),
        T(a_named_class_is_joined_as_it_is),
        T(a_named_class_that_differs_is_refused_and_not_changed),
        T(a_slash_is_the_default_class),
        T(the_default_class_is_never_changed),
        T(a_create_that_fails_takes_its_named_class_back),
        T(who_holds_the_lock_is_waited_for_but_not_forever),
        T(what_is_malformed_is_named),
        T(what_the_kernel_cannot_take_at_once_is_refused),
        T(saved_names_cannot_lead_elsewhere),
        T(a_monitoring_group_is_the_containers),
        T(the_words_of_older_specs_ask_for_monitoring_too),
        T(a_machine_that_cannot_monitor_says_so),
        T(without_more_monitoring_groups_the_class_goes_again),
        T(an_update_changes_what_it_names),
        T(every_thread_in_the_control_groups_is_gathered),
        T(what_a_class_gives_and_counts_is_told),
        T(counters_of_others_are_not_the_containers),
        T(only_the_kernels_own_is_taken_for_it),
        T(the_kernel_makes_a_class_as_the_folder_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
