/*
 * Every system call of Linux, sorted by what a container may do with it.
 *
 * The names are those of x86, arm, riscv, s390 and power; a name that a machine
 * does not have is passed over there.  Calls that no kernel implements any more
 * (create_module, vserver, ...) are nowhere: ENOSYS is the truth.
 */
#include "protocol/oci/capabilities.h"
#include "protocol/oci/seccomp.h"

#define FILES                                                                                      \
    "access cachestat chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 " \
    "dup3 faccessat faccessat2 fadvise64 fadvise64_64 arm_fadvise64_64 fallocate fchdir fchmod "   \
    "fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr file_getattr "  \
    "file_setattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs "        \
    "fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr "         \
    "getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl "              \
    "fanotify_mark "                                                                               \
    "lchown lchown32 lgetxattr link linkat listmount listxattr listxattrat llistxattr _llseek "    \
    "lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at "    \
    "newfstatat oldfstat oldlstat oldstat open openat openat2 pipe pipe2 pread64 preadv preadv2 "  \
    "pwrite64 pwritev pwritev2 read readahead readdir readlink readlinkat readv removexattr "      \
    "removexattrat rename renameat renameat2 rmdir sendfile sendfile64 setxattr setxattrat "       \
    "splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range "   \
    "sync_file_range2 arm_sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat "   \
    "utime utimensat utimensat_time64 utimes vmsplice write writev"

#define WAITING                                                                                    \
    "epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 "   \
    "futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list "          \
    "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit "     \
    "_newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select set_robust_list signalfd " \
    "signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "                  \
    "timerfd_settime64"

#define MEMORY                                                                                \
    "brk madvise map_shadow_stack memfd_create memfd_secret membarrier mincore mlock mlock2 " \
    "mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc "   \
    "pkey_free pkey_mprotect process_mrelease remap_file_pages"

#define PROCESSES                                                                                  \
    "capget capset execve execveat exit exit_group fork getcpu getegid getegid32 geteuid "         \
    "geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getpriority "  \
    "getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid getuid "        \
    "getuid32 ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset "               \
    "landlock_restrict_self lsm_get_self_attr lsm_list_modules lsm_set_self_attr nice pause "      \
    "pidfd_open pidfd_send_signal prctl prlimit64 process_vm_readv process_vm_writev ptrace "      \
    "restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn " \
    "rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo "                      \
    "sched_getaffinity sched_getattr sched_getparam sched_get_priority_max "                       \
    "sched_get_priority_min sched_getscheduler sched_rr_get_interval "                             \
    "sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "                 \
    "sched_setscheduler sched_yield seccomp setfsgid setfsgid32 setfsuid setfsuid32 setgid "       \
    "setgid32 setgroups setgroups32 setpgid setpriority setregid setregid32 setresgid "            \
    "setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setuid setuid32 "      \
    "set_tid_address sgetmask sigaction sigaltstack signal sigpending sigprocmask sigreturn "      \
    "sigsuspend ssetmask tgkill tkill ugetrlimit uprobe uretprobe vfork wait4 waitid waitpid"

#define TIME                                                                            \
    "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 "    \
    "clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer "   \
    "gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun " \
    "timer_gettime timer_gettime64 timer_settime timer_settime64 times"

/* socket itself has a rule of its own. */
#define TALKING                                                                                    \
    "accept accept4 bind connect getpeername getsockname getsockopt ipc listen mq_getsetattr "     \
    "mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 "   \
    "mq_unlink msgctl msgget msgrcv msgsnd recv recvfrom recvmmsg recvmmsg_time64 recvmsg semctl " \
    "semget semop semtimedop semtimedop_time64 send sendmmsg sendmsg sendto setsockopt shmat "     \
    "shmctl shmdt shmget shutdown socketcall socketpair"

#define MACHINE                                                                               \
    "arch_prctl breakpoint cacheflush getrandom get_thread_area get_tls modify_ldt olduname " \
    "oldolduname riscv_flush_icache riscv_hwprobe set_thread_area set_tls swapcontext "       \
    "switch_endian sys_debug_setcontext sysinfo uname"

const struct seccomp_group seccomp_groups[] = {
    { 0, FILES },
    { 0, WAITING },
    { 0, MEMORY },
    { 0, PROCESSES },
    { 0, TIME },
    { 0, TALKING },
    { 0, MACHINE },
    /* Mounts, namespaces and what else the kernel asks CAP_SYS_ADMIN for. */
    { CAP_SET(SYS_ADMIN),
      "fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount "
      "open_tree open_tree_attr pivot_root quotactl quotactl_fd setdomainname sethostname setns "
      "umount umount2 unshare" },
    { CAP_SET(SYS_ADMIN) | CAP_SET(BPF), "bpf" },
    { CAP_SET(SYS_ADMIN) | CAP_SET(PERFMON), "perf_event_open" },
    { CAP_SET(SYS_ADMIN) | CAP_SET(SYSLOG), "syslog" },
    { CAP_SET(DAC_READ_SEARCH), "open_by_handle_at" },
    { CAP_SET(SYS_BOOT), "reboot" },
    { CAP_SET(SYS_CHROOT), "chroot" },
    { CAP_SET(SYS_MODULE), "delete_module finit_module init_module" },
    { CAP_SET(SYS_NICE), "get_mempolicy mbind migrate_pages move_pages set_mempolicy "
                         "set_mempolicy_home_node" },
    { CAP_SET(SYS_PACCT), "acct" },
    { CAP_SET(SYS_PTRACE), "kcmp pidfd_getfd process_madvise" },
    { CAP_SET(SYS_RAWIO), "ioperm iopl" },
    { CAP_SET(SYS_TIME), "clock_settime clock_settime64 settimeofday stime" },
    { CAP_SET(SYS_TTY_CONFIG), "vhangup" },
    { 0, NULL },
};

/* Of the host or of nobody: kernel images, swap, keyrings (not per container), io_uring (its
   work passes by every filter), userfaultfd (a tool of attacks), relics. */
const char seccomp_refused[] =
    "add_key keyctl request_key io_uring_enter io_uring_register io_uring_setup kexec_file_load "
    "kexec_load swapoff swapon userfaultfd bdflush nfsservctl _sysctl sysfs uselib ustat vm86 "
    "vm86old pciconfig_iobase pciconfig_read pciconfig_write s390_pci_mmio_read "
    "s390_pci_mmio_write s390_runtime_instr spu_create spu_run subpage_prot";
