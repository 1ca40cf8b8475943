/* Ways out of a sandbox, each tried for real. `all` prints one line for each that is open, and ends with how many are.

   Usage: escapes all MARKER HOST_PID PORT ABSTRACT | forks | lasting TOKEN | disk | memory [shared|pieces|tables|sockets] | su | streams | names | drain | core
   MARKER is a file of the machine, HOST_PID one of its processes, PORT and ABSTRACT sockets that listen there. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_ways;

static void way(const char *name, int is_open) {
  if (is_open) { printf("OPEN: %s\n", name); open_ways++; }
}

static int readable(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  char byte;
  int got = file >= 0 && read(file, &byte, 1) == 1;
  if (file >= 0) close(file);
  return got;
}

static int writable(const char *path) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file >= 0) close(file);
  return file >= 0;
}

static void files(const char *marker) {
  static const char *roots[] = {"", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/2/root", "/proc/2/cwd",
                                "/proc/self/cwd/../../../../../..", "/../../../.."};
  char path[4096];
  for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
    snprintf(path, sizeof path, "%s%s", roots[i], marker);
    way(path, access(path, F_OK) == 0);
  }
  static const char *closed[] = {"/proc/1/environ", "/proc/1/mem", "/proc/1/maps", "/proc/1/exe", "/proc/kcore",
                                 "/proc/kmsg", "/proc/keys", "/proc/kallsyms", "/proc/timer_list", "/dev/kmsg", "/dev/mem",
                                 "/dev/tty", "/dev/vda", "/dev/sda", "/sys/kernel/uevent_helper", "/etc/shadow"};
  for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) way(closed[i], readable(closed[i]));
  static const char *fixed[] = {"/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname",
                                "/proc/sys/vm/overcommit_memory", "/proc/sys/net/ipv4/ip_forward", "/proc/1/oom_score_adj",
                                "/proc/1/mem", "/proc/1/exe", "/proc/irq/default_smp_affinity", "/dev/null/x"};
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) way(fixed[i], writable(fixed[i]));
  DIR *sys = opendir("/sys/kernel");
  way("/sys", sys != NULL);
  DIR *proc = opendir("/proc/1/fd");
  way("/proc/1/fd", proc != NULL);
  DIR *root = opendir("/");
  for (struct dirent *each; root && (each = readdir(root));) way(each->d_name, strncmp(each->d_name, ".old", 4) == 0);
  int file = open("/dev/new", O_CREAT | O_WRONLY, 0644);
  way("a file in /dev", file >= 0);
}

static void chroot_break(const char *marker) {
  mkdir("/tmp/brk", 0755);
  int outside = open("/", O_RDONLY);
  if (chroot("/tmp/brk") == 0) {
    way("chroot", 1);
    if (fchdir(outside) == 0) for (int i = 0; i < 100; i++) if (chdir("..")) break;
    if (chroot(".") == 0) way("the machine's files by chroot", access(marker, F_OK) == 0);
  }
  close(outside);
}

static void descriptors(void) {
  struct stat known;
  for (int number = 0; number < 3; number++) way("a folder as a stream", fstat(number, &known) == 0 && S_ISDIR(known.st_mode));
  for (int number = 3; number < 4096; number++) {
    char path[64], to[256];
    snprintf(path, sizeof path, "/proc/self/fd/%d", number);
    ssize_t length = readlink(path, to, sizeof to - 1);
    if (length < 0) continue;
    to[length] = 0;
    printf("OPEN: descriptor %d is %s\n", number, to);
    open_ways++;
  }
}

static void processes(pid_t theirs) {
  way("a process of the machine", kill(theirs, 0) == 0 && theirs != getpid());
  DIR *proc = opendir("/proc");
  int count = 0;
  for (struct dirent *each; proc && (each = readdir(proc));) count += each->d_name[0] >= '1' && each->d_name[0] <= '9';
  if (proc) closedir(proc);
  way("processes in /proc", count > 2);
  way("ptrace of the first process", ptrace(PTRACE_ATTACH, 1, 0, 0) == 0);
  char here[8];
  struct iovec mine = {here, 8}, its = {(void *)&open_ways, 8};
  way("process_vm_readv", process_vm_readv(1, &mine, 1, &its, 1, 0) > 0);
  way("kcmp", syscall(SYS_kcmp, 1, getpid(), 0, 0, 0) >= 0);
  kill(1, SIGKILL);
  kill(1, SIGSTOP);
}

#ifdef __x86_64__
/* The same calls by the numbers of 32-bit programs, which a filter may have forgotten. */
static long call32(long number, long one, long two, long three) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(one), "c"(two), "d"(three) : "memory", "r8", "r9", "r10", "r11");
  return (int)result;
}

static void calls_of_others(void) {
  way("unshare of i386", call32(310, CLONE_NEWUSER, 0, 0) == 0);
  way("clone of i386", call32(120, CLONE_NEWUSER | 0x100, 0, 0) != -EPERM);
  way("vsock of i386", call32(359, 40, SOCK_STREAM, 0) >= 0);
  way("socketcall of i386", call32(102, 1, 0, 0) != -ENOSYS);
  way("ptrace of i386", call32(26, PTRACE_TRACEME, 0, 0) != -EPERM);
  way("shmget of i386", call32(117, 23, 0, 4096) != -EPERM);
  way("ptrace of x32", syscall(0x40000000 + 521, PTRACE_TRACEME, 0, 0, 0) != -1 || errno != ENOSYS);
}
#else
static void calls_of_others(void) {}
#endif

static void mounts(void) {
  way("mount of a tmpfs", mount("none", "/tmp", "tmpfs", 0, "") == 0);
  way("mount of a proc", mount("none", "/tmp", "proc", 0, "") == 0);
  way("bind mount", mount("/", "/tmp", "", MS_BIND, "") == 0);
  way("remount of /proc/sys", mount("none", "/proc/sys", "", MS_REMOUNT | MS_BIND, "") == 0);
  way("umount of /proc/kcore", umount2("/proc/kcore", MNT_DETACH) == 0);
  way("umount of /proc", umount2("/proc", MNT_DETACH) == 0);
  way("umount of /", umount2("/", MNT_DETACH) == 0);
#ifdef SYS_open_tree
  way("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1) >= 0);
  way("fsopen", syscall(SYS_fsopen, "tmpfs", 0) >= 0);
#endif
  way("mknod of a disk", mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0)) == 0);
  way("mknod of memory", mknod("/tmp/memory", S_IFCHR | 0600, makedev(1, 1)) == 0);
  way("a new user namespace", unshare(CLONE_NEWUSER) == 0);
  way("a new mount namespace", unshare(CLONE_NEWNS) == 0);
  int own = open("/proc/self/ns/mnt", O_RDONLY);
  way("setns", own >= 0 && setns(own, 0) == 0);
  if (own >= 0) close(own);
  long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  way("clone into a new user namespace", child > 0);
}

static void kernel(void) {
  way("keyctl", syscall(SYS_keyctl, 0, -3, 1) >= 0);
  way("add_key", syscall(SYS_add_key, "user", "a", "b", 1, -3) >= 0);
  way("bpf", syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno == EFAULT || errno == EINVAL);
  char zeros[256] = {0};
  way("perf_event_open", syscall(SYS_perf_event_open, zeros, 0, -1, -1, 0) >= 0);
  way("userfaultfd", syscall(SYS_userfaultfd, 1) >= 0);
  way("memfd_create", syscall(SYS_memfd_create, "a", 0) >= 0);
#ifdef SYS_io_uring_setup
  way("io_uring", syscall(SYS_io_uring_setup, 1, zeros) >= 0);
#endif
  way("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0) >= 0);
  way("init_module", syscall(SYS_init_module, zeros, 1, "") >= 0 || errno == ENOEXEC);
  way("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL) >= 0);
  way("syslog", syscall(SYS_syslog, 3, zeros, sizeof zeros) >= 0);
  way("sethostname", sethostname("x", 1) == 0);
  struct { unsigned bytes; int kind; char rest[128]; } handle = {128, 0, {0}};
  way("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, 0) >= 0 || errno == ESTALE);
  way("typing into the terminal", ioctl(0, TIOCSTI, "x") == 0);
  struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
  way("more open files", setrlimit(RLIMIT_NOFILE, &more) == 0);
  way("more processes", setrlimit(RLIMIT_NPROC, &more) == 0);
  way("a higher priority", setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - 1) == 0);
}

static int tcp(int family, struct sockaddr *to, socklen_t size) {
  int handle = socket(family, SOCK_STREAM, 0);
  int connected = handle >= 0 && connect(handle, to, size) == 0;
  if (handle >= 0) close(handle);
  return connected;
}

static void network(int port, const char *abstract) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (port) {
    way("a listener on the machine's loopback", tcp(AF_INET, (void *)&to, sizeof to));
    inet_pton(AF_INET, "1.1.1.1", &to.sin_addr);
    way("a route", connect(socket(AF_INET, SOCK_DGRAM, 0), (void *)&to, sizeof to) == 0);
  }
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  strcpy(name.sun_path + 1, abstract);
  socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract);
  way("an abstract socket of the machine", tcp(AF_UNIX, (void *)&name, size));
  static const int families[] = {17 /* packets */, 40 /* vsock */, 38 /* alg */, 31 /* bluetooth */, 30 /* tipc */};
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    int handle = socket(families[i], SOCK_DGRAM, 0);
    if (handle < 0) handle = socket(families[i], SOCK_STREAM, 0);
    if (handle < 0) handle = socket(families[i], SOCK_SEQPACKET, 0);
    char text[32];
    snprintf(text, sizeof text, "sockets of family %d", families[i]);
    way(text, handle >= 0);
  }
  way("raw sockets", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0);
  way("netlink of the audit", socket(AF_NETLINK, SOCK_RAW, 9) >= 0);
}

static void rights(void) {
  FILE *status = fopen("/proc/self/status", "r");
  char line[512];
  way("no /proc/self/status", status == NULL);
  while (status && fgets(line, sizeof line, status)) {
    unsigned long long value;
    if (strncmp(line, "Cap", 3) == 0 && sscanf(line + 8, "%llx", &value) == 1) way(line, value != 0);
    if (strncmp(line, "NoNewPrivs:", 11) == 0) way(line, atoi(line + 11) != 1);
    if (strncmp(line, "Seccomp:", 8) == 0) way(line, atoi(line + 8) != 2);
    if (strncmp(line, "Groups:", 7) == 0) printf("%s", line);
  }
  pid_t child = fork();
  if (child == 0) { execl("/app/su", "su", "su", NULL); _exit(9); }
  int ended = 0;
  waitpid(child, &ended, 0);
  way("a set-user-id program", ended != 0);
}

extern char **environ;

static int all(char **argv) {
  if (getpid() > 9) {
    puts("this is no sandbox at all, and what is tried would harm the machine");
    return 2;
  }
  const char *marker = argv[2];
  descriptors();
  for (char **each = environ; *each; each++)
    way(*each, strstr(*each, "HOST_") != NULL || strncmp(*each, "CARGOSHIP", 9) == 0);
  files(marker);
  processes(atoi(argv[3]));
  mounts();
  calls_of_others();
  kernel();
  network(atoi(argv[4]), argv[5]);
  rights();
  chroot_break(marker);
  printf("%d open\n", open_ways);
  return open_ways != 0;
}

/* Forks until it may not, and leaves them. */
static int forks(void) {
  int count = 0;
  for (; count < 100000; count++) {
    pid_t child = fork();
    if (child < 0) break;
    if (child == 0) for (;;) pause();
  }
  printf("%d forks\n", count);
  return count >= 1100;
}

/* A child that no parent, group or session ties to this one. */
static int lasting(char **argv) {
  int ready[2];
  if (pipe(ready)) return 2;
  if (fork() == 0) {
    setsid();
    if (fork() == 0) {
      setsid();
      signal(SIGHUP, SIG_IGN);
      signal(SIGTERM, SIG_IGN);
      write(ready[1], "x", 1);
      execl("/app/app", argv[2], "wait", NULL);
    }
    _exit(0);
  }
  char byte;
  read(ready[0], &byte, 1);
  puts("left one");
  return 0;
}

static long long fill(const char *folder) {
  static char block[1 << 20];
  long long total = 0;
  memset(block, 1, sizeof block);
  for (int number = 0; number < 4096; number++) {
    char path[256];
    snprintf(path, sizeof path, "%s/fill%d", folder, number);
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    if (file < 0) break;
    ssize_t wrote;
    for (int piece = 0; piece < 64 && (wrote = write(file, block, sizeof block)) > 0; piece++) total += wrote;
    close(file);
    if (wrote <= 0) break;
  }
  return total;
}

static int disk(void) {
  long long total = fill("/tmp") + fill("/dev/shm");
  printf("%lld MiB written\n", total >> 20);
  return total > (1100LL << 20) || total < (900LL << 20);
}

/* Six times 512 MiB: more than a run may have, and less for each process. */
/* Memory that is not any process's own: 4 KiB of tables for each 2 MiB of nothing, and what is on its way. */
static void tables(void) {
  size_t size = (size_t)1 << 40;
  volatile char *nothing = mmap(NULL, size, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE, -1, 0);
  if (nothing == MAP_FAILED) return;
  madvise((void *)nothing, size, MADV_NOHUGEPAGE);
  for (size_t place = 0; place < size; place += 2 << 20) nothing[place];
}

static void sockets(void) {
  static const char piece[65536];
  for (int pair[2]; socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0;)
    while (write(pair[0], piece, sizeof piece) > 0) {}
}

static int memory(const char *how) {
  if (how && !strcmp(how, "tables")) tables();
  for (int number = 0; number < 6; number++) {
    if (fork() != 0) continue;
    if (how && !strcmp(how, "sockets")) {
      sockets();
      for (;;) pause();
    }
    size_t size = 512 << 20;
    int shared = how && !strcmp(how, "shared");
    char *piece = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);
    if (piece == MAP_FAILED) _exit(1);
    memset(piece, 1, size);
    for (;;) pause();
  }
  sleep(20);
  puts("all of it");
  return 0;
}

/* What is behind the streams is not the program's to change; then what is read is written. */
static int streams(void) {
  for (int number = 0; number < 3; number++) {
    struct stat known;
    if (fstat(number, &known)) return 50 + number;
    if (S_ISREG(known.st_mode)) return 60 + number;
    if (S_ISCHR(known.st_mode) && fchmod(number, 0666) == 0) return 70 + number;
  }
  static char piece[65536];
  for (ssize_t got; (got = read(0, piece, sizeof piece)) > 0;) if (write(1, piece, got) != got) return 80;
  fprintf(stderr, "all is read");
  return 0;
}

/* Programs log to these names, and read from the first. */
static int names(const char *in) {
  static const char *places[] = {"/dev/stdout", "/dev/stderr", "/proc/self/fd/1"};
  for (int number = 0; number < (in ? 3 : 2); number++) {
    FILE *stream = fopen(places[number], number == 1 ? "a" : "w");
    if (!stream) return 50 + number;
    if (fprintf(stream, "by name %d\n", number) < 0 || fclose(stream)) return 60 + number;
  }
  if (in && open("/dev/stdin", O_RDONLY | O_CLOEXEC) < 0) return 70;
  return 0;
}

/* Reads what is on its way in its own output. */
static int drain(void) {
  int file = open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  char piece[64];
  return file >= 0 && read(file, piece, sizeof piece) > 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!strcmp(what, "all") && argc > 5) return all(argv);
  if (!strcmp(what, "forks")) return forks();
  if (!strcmp(what, "lasting") && argc > 2) return lasting(argv);
  if (!strcmp(what, "wait")) for (;;) pause();
  if (!strcmp(what, "disk")) return disk();
  if (!strcmp(what, "streams")) return streams();
  if (!strcmp(what, "drain")) return drain();
  if (!strcmp(what, "names")) return names(argc > 2 ? argv[2] : NULL);
  if (!strcmp(what, "core")) {
    struct rlimit core;
    return getrlimit(RLIMIT_CORE, &core) || printf("%ld\n", (long)core.rlim_max) < 0;
  }
  if (!strcmp(what, "memory")) return memory(argc > 2 ? argv[2] : NULL);
  /* owned by root, with its bit set: who is it when somebody else starts it? */
  if (!strcmp(what, "su")) return argc > 2 ? geteuid() == 0 : geteuid() != getuid();
  return 3;
}
