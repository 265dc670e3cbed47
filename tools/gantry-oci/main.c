/* gantry-oci — the native OCI runtime as a command, in place of runc or crun: see runtime/oci.h. */
#include "platform/linux/runtime/oci.h"

int main(int argc, char **argv)
{
    return oci_main(argc, argv);
}
