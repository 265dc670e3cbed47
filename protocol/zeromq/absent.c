/*
 * absent — what ZeroMQ's static libraries refer to and gantry never reaches.
 *
 * Debian builds libzmq with three transports and a mechanism that gantry has no use for: PGM and NORM
 * (multicast), and Kerberos; czmq takes sockets from systemd.  Shared, that is twenty more libraries in
 * every process: 5 ms at each start of the command line and 2 MiB of the daemon.  So both are linked
 * statically, and these names end here.
 *
 * The functions that abort are behind endpoints (pgm://, norm://) that daemon and client refuse
 * before ZeroMQ sees them, and behind a mechanism that a socket has to ask for.  The others are
 * called by every context, and answer "nothing to do".
 */
#include <stdlib.h>

#pragma GCC visibility push(hidden) /* libcurl, say, wants the real ones */

#define NEVER(name)  \
    void name(void); \
    void name(void)  \
    {                \
        abort();     \
    }

/* clang-format off */
/* Kerberos */
NEVER(gss_accept_sec_context) NEVER(gss_acquire_cred) NEVER(gss_delete_sec_context)
NEVER(gss_display_name) NEVER(gss_import_name) NEVER(gss_init_sec_context) NEVER(gss_release_buffer)
NEVER(gss_release_cred) NEVER(gss_release_name) NEVER(gss_unwrap) NEVER(gss_wrap)
/* PGM */
NEVER(pgm_bind3) NEVER(pgm_close) NEVER(pgm_connect) NEVER(pgm_error_free) NEVER(pgm_free)
NEVER(pgm_freeaddrinfo) NEVER(pgm_getaddrinfo) NEVER(pgm_getsockopt) NEVER(pgm_gsi_create_from_data)
NEVER(pgm_recvmsgv) NEVER(pgm_send) NEVER(pgm_setsockopt) NEVER(pgm_socket)
/* NORM */
NEVER(NormCreateInstance) NEVER(NormCreateSession) NEVER(NormDestroyInstance)
NEVER(NormDestroySession) NEVER(NormGetDescriptor) NEVER(NormGetNextEvent)
NEVER(NormGetRandomSessionId) NEVER(NormIsUnicastAddress) NEVER(NormNodeDelete)
NEVER(NormObjectGetType) NEVER(NormObjectGetUserData) NEVER(NormObjectSetUserData)
NEVER(NormSetCongestionControl) NEVER(NormSetDefaultSyncPolicy) NEVER(NormSetDefaultUnicastNack)
NEVER(NormSetLoopback) NEVER(NormSetMulticastInterface) NEVER(NormSetRxPortReuse) NEVER(NormSetTTL)
NEVER(NormStartReceiver) NEVER(NormStartSender) NEVER(NormStopInstance) NEVER(NormStopReceiver)
NEVER(NormStopSender) NEVER(NormStreamFlush) NEVER(NormStreamOpen) NEVER(NormStreamRead)
NEVER(NormStreamSeekMsgStart) NEVER(NormStreamWrite)
/* clang-format on */

/* Never looked at. */
extern const void *const GSS_C_NT_USER_NAME, *const GSS_C_NT_HOSTBASED_SERVICE;
extern const void *const NORM_INSTANCE_INVALID, *const NORM_SESSION_INVALID;
extern const void *const NORM_OBJECT_INVALID, *const NORM_NODE_ANY;
const void *const GSS_C_NT_USER_NAME = NULL, *const GSS_C_NT_HOSTBASED_SERVICE = NULL;
const void *const NORM_INSTANCE_INVALID = NULL, *const NORM_SESSION_INVALID = NULL;
const void *const NORM_OBJECT_INVALID = NULL, *const NORM_NODE_ANY = NULL;

/* A context sets PGM up, and puts it away. */
int pgm_init(void *error);
int pgm_init(void *error)
{
    (void)error;
    return 1;
}

int pgm_shutdown(void);
int pgm_shutdown(void)
{
    return 1;
}

/* systemd(1) has passed no sockets. */
int sd_listen_fds(int unset);
int sd_listen_fds(int unset)
{
    (void)unset;
    return 0;
}

int sd_is_socket_unix(int fd);
int sd_is_socket_unix(int fd)
{
    (void)fd;
    return 0;
}

int sd_is_socket_inet(int fd);
int sd_is_socket_inet(int fd)
{
    (void)fd;
    return 0;
}

#pragma GCC visibility pop
