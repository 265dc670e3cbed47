/* authorities — the files are read whole, one behind the other. */
#include "actors/images/registry/authorities.h"

#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"

static int add(char **all, const char *path, struct error *err)
{
    size_t size, used = *all != NULL ? strlen(*all) : 0;
    char *text = fs_read(path, AUTHORITIES_MAX - used, &size, err), *more;

    if (text == NULL)
        return -1;
    if (strstr(text, "-----BEGIN ") == NULL || strlen(text) != size) {
        free(text);
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s holds no certificate (PEM)", path);
    }
    more = realloc(*all, used + size + 2);
    if (more != NULL) {
        memcpy(more + used, text, size);
        memcpy(more + used + size, "\n", 2);
        *all = more;
    }
    free(text);
    return more != NULL ? 0 : error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for %s", path);
}

int authorities_read(const char *files, char **out, struct error *err)
{
    char path[PATH_SIZE];

    for (size_t size; *files != '\0'; files += size + (files[size] == '\n')) {
        size = strcspn(files, "\n");
        if (path_format(path, err, "%.*s", (int)size, files) < 0 || add(out, path, err) < 0)
            return -1;
    }
    return 0;
}
