/* gantry-oci — the native OCI runtime as a command, in place of runc or crun: see runtime/oci.h. */
#include <stdio.h>

#include "platform/linux/runtime/oci.h"
#include "platform/linux/runtime/self.h"

int main(int argc, char **argv)
{
    struct error err = { 0 };

    if (self_begin(argv, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    return oci_main(argc, argv);
}
