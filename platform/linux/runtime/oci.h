/*
 * oci — the runtime's command line (runc's), as one function.
 *
 * gantry-oci is nothing but this; gantry-shim calls it in a child of its own when the engine is
 * `native`.  It may change everything about the process it runs in, and never returns to it
 * with anything to undo.
 */
#ifndef RUNTIME_OCI_H
#define RUNTIME_OCI_H

/* Returns the exit status: 0, 1 on failure, or that of the container's process (run, exec). */
int oci_main(int argc, char **argv);

#endif
