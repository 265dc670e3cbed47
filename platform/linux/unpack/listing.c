/* listing — see listing.h. */
#include "platform/linux/unpack/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/unpack/tree.h"

/* Opened once more, for a position of its own. */
static DIR *listing_open(int folder)
{
    int fd = open_inside(folder, ".", O_RDONLY | O_DIRECTORY);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;

    if (listing == NULL && fd >= 0)
        close(fd);
    return listing;
}

/* NULL: there is no more (errno is 0), or it cannot be read. */
static const char *next_name(DIR *listing)
{
    const struct dirent *found;

    do {
        errno = 0;
        found = readdir(listing);
    } while (found != NULL &&
             (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0));
    return found != NULL ? found->d_name : NULL;
}

int names_each(int folder, int (*each)(void *ctx, const char *name, struct error *err), void *ctx,
               struct error *err)
{
    DIR *listing = listing_open(folder);
    const char *name;
    int status = 0;

    if (listing == NULL)
        return error_sys(err, errno, "list a folder");
    while (status == 0 && (name = next_name(listing)) != NULL)
        status = each(ctx, name, err);
    if (status == 0 && errno != 0)
        status = error_sys(err, errno, "list a folder");
    closedir(listing);
    return status;
}
