/* Which kernel settings a container may have. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "document.h"
#include "platform/linux/runtime/sysctl.h"
#include "platform/scope.h"

#define ALL (CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWUSER)

static int check(const char *key, unsigned own)
{
    char text[256];
    struct place place;

    snprintf(text, sizeof(text), "{\"sysctl\": {\"%s\": \"1\"}}", key);
    place = document_of(text);
    return sysctls_check(&place, own, &err);
}

static void those_of_its_own_namespaces_are_allowed(void **state UNUSED)
{
    static const char *const keys[] = {
        "net.ipv4.ip_forward", "net/ipv4/ip_forward", "net/ipv4/conf/eth0.1/forwarding",
        "kernel.shmmax",       "fs.mqueue.msg_max",   "kernel.domainname"
    };

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_int_equal(check(keys[i], ALL), 0);
}

static void those_of_the_host_are_refused(void **state UNUSED)
{
    static const char *const keys[] = { "kernel.panic",   "vm.swappiness", "fs.file-max",
                                        "kernel.shmmax2", "network",       "net" };

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_int_equal(check(keys[i], ALL), -1);
}

static void those_of_shared_namespaces_are_refused(void **state UNUSED)
{
    assert_int_equal(check("net.ipv4.ip_forward", ALL & ~CLONE_NEWNET), -1);
    assert_int_equal(check("kernel.shmmax", ALL & ~CLONE_NEWIPC), -1);
    assert_non_null(strstr(err.text, "kernel.shmmax"));
}

static void names_cannot_lead_elsewhere(void **state UNUSED)
{
    assert_int_equal(check("net/../kernel/panic", ALL), -1);
    assert_int_equal(check("net.//kernel.panic", ALL), -1);
    assert_int_equal(check("/net/x", ALL), -1);
}

static void the_host_name_has_a_field_of_its_own(void **state UNUSED)
{
    assert_int_equal(check("kernel.hostname", ALL), -1);
    assert_non_null(strstr(err.text, "hostname"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_of_its_own_namespaces_are_allowed),
        cmocka_unit_test(those_of_the_host_are_refused),
        cmocka_unit_test(those_of_shared_namespaces_are_refused),
        cmocka_unit_test(names_cannot_lead_elsewhere),
        cmocka_unit_test(the_host_name_has_a_field_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
