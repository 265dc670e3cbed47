/*
 * short_names — "busybox" means docker.io/library/busybox to everybody who grew up with docker.  Where
 * images come from elsewhere, a name that was cut short by mistake would be asked of strangers, who may
 * have put something there: an operator can have such names refused (REG-1).
 */
#include "actors/images/images.h"
#include "protocol/oci/name.h"
#include "protocol/oci/shown.h"

int reference_allow(const struct images *images, const char *text, struct error *err)
{
    char full[REFERENCE_TEXT_SIZE];
    struct reference reference;
    struct shown s;

    if (!images->config->full_names || reference_names_registry(text))
        return 0;
    if (reference_parse(text, &reference, err) < 0)
        return -1;
    error_set(err, ERROR_INVALID_ARGUMENT,
              "image reference '%s': names no registry, and registries.short_names is \"refuse\"",
              shown(text, &s));
    return error_hint(err, "Docker Hub's is %.150s", reference_text(&reference, full));
}
