/* Media types: every one an image can have, and those nobody knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/oci/media.h"

static void is_layer(const char *type, enum compression compression, bool foreign, bool docker)
{
    struct media media = media_of(type);

    if (media.kind != MEDIA_LAYER || media.compression != compression || media.foreign != foreign ||
        media.docker != docker)
        fail_msg("%s: kind %d %s foreign %d docker %d", type, media.kind,
                 compression_name(media.compression), media.foreign, media.docker);
}

static void img_2_every_layer_type_is_known(void **state)
{
    (void)state;
    is_layer("application/vnd.oci.image.layer.v1.tar", COMPRESSION_NONE, false, false);
    is_layer("application/vnd.oci.image.layer.v1.tar+gzip", COMPRESSION_GZIP, false, false);
    is_layer("application/vnd.oci.image.layer.v1.tar+zstd", COMPRESSION_ZSTD, false, false);
    is_layer("application/vnd.oci.image.layer.nondistributable.v1.tar", COMPRESSION_NONE, true,
             false);
    is_layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", COMPRESSION_GZIP, true,
             false);
    is_layer("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", COMPRESSION_ZSTD, true,
             false);
    is_layer("application/vnd.docker.image.rootfs.diff.tar", COMPRESSION_NONE, false, true);
    is_layer("application/vnd.docker.image.rootfs.diff.tar.gzip", COMPRESSION_GZIP, false, true);
    is_layer("application/vnd.docker.image.rootfs.diff.tar.zstd", COMPRESSION_ZSTD, false, true);
    is_layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", COMPRESSION_GZIP, true,
             true);
    is_layer("application/vnd.docker.image.rootfs.foreign.diff.tar.zstd", COMPRESSION_ZSTD, true,
             true);
}

static void img_1_every_document_type_is_known(void **state)
{
    (void)state;
    assert_int_equal(media_of("application/vnd.oci.image.index.v1+json").kind, MEDIA_INDEX);
    assert_int_equal(media_of("application/vnd.oci.image.manifest.v1+json").kind, MEDIA_MANIFEST);
    assert_int_equal(media_of("application/vnd.oci.image.config.v1+json").kind, MEDIA_CONFIG);
    assert_int_equal(media_of("application/vnd.oci.empty.v1+json").kind, MEDIA_EMPTY);
    assert_int_equal(media_of("application/vnd.docker.distribution.manifest.list.v2+json").kind,
                     MEDIA_INDEX);
    assert_int_equal(media_of("application/vnd.docker.distribution.manifest.v2+json").kind,
                     MEDIA_MANIFEST);
    assert_int_equal(media_of("application/vnd.docker.container.image.v1+json").kind, MEDIA_CONFIG);
    assert_true(media_of("application/vnd.docker.container.image.v1+json").docker);
    assert_false(media_of("application/vnd.oci.image.config.v1+json").docker);
}

static void reg_2_case_and_parameters_do_not_matter(void **state)
{
    (void)state;
    assert_int_equal(media_of("Application/vnd.OCI.image.index.v1+JSON ; charset=utf-8").kind,
                     MEDIA_INDEX);
    assert_true(media_equal("a/b;x=1", "A/B"));
    assert_false(media_equal("a/b", "a/bc"));
    assert_false(media_equal("a/b", NULL));
    assert_false(media_equal(NULL, NULL));
    assert_false(media_equal("", ""));
}

static void img_3_what_is_not_known_is_unknown(void **state)
{
    static const char *const types[] = {
        "",
        ";",
        "application/json",
        "application/vnd.oci.image.layer.v1.tar+br",
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/vnd.oci.image.layer.v1.ta",
        "application/vnd.oci.image.layer.v1.tar+gzipx",
        "xapplication/vnd.oci.image.layer.v1.tar",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.in-toto+json",
    };

    (void)state;
    assert_int_equal(media_of(NULL).kind, MEDIA_UNKNOWN);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        assert_int_equal(media_of(types[i]).kind, MEDIA_UNKNOWN);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(img_2_every_layer_type_is_known),
        cmocka_unit_test(img_1_every_document_type_is_known),
        cmocka_unit_test(reg_2_case_and_parameters_do_not_matter),
        cmocka_unit_test(img_3_what_is_not_known_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
