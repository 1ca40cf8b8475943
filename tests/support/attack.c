/* Ways of reading, one for each argument: what the library that watches reads has to note of all of them. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <linux/openat2.h>
#include <locale.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <wordexp.h>

extern char **environ;
static char text[4096];
static struct stat status;
static int got;

static void take(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd >= 0) got = read(fd, text, sizeof text) > 0;
}
static void *in_thread(void *path) { return take(path), NULL; }
static int visit(const char *path, const struct stat *s, int type, struct FTW *at) { return (void)path, (void)s, (void)type, (void)at, 0; }
static int scan(char **list) {
  int found = 0;
  for (; *list; list++) found += !strncmp(*list, "WANTED=", 7);
  return found;
}
static void end(void) {
  int state;
  while (wait(&state) > 0) {}
}
static char *cat[] = {"cat", "data/file", NULL};
static char *none[] = {NULL};

int main(int count, char **words, char **env) {
  const char *way = words[1];
#define WAY(name) if (!strcmp(way, name))
  WAY("open") take("data/file");
  WAY("thread") { pthread_t t; pthread_create(&t, NULL, in_thread, "data/file"); pthread_join(t, NULL); }
  WAY("fork") { if (!fork()) { take("data/file"); _exit(0); } end(); }
  WAY("closed") { for (int i = 0; i < 1024; i++) close(i); take("data/file"); }
  WAY("close_range") { syscall(SYS_close_range, 0, ~0u, 0); take("data/file"); }
  WAY("forgotten") { unsetenv("LD_PRELOAD"); unsetenv("CARGOSHIP_WATCH_UNIT"); if (!fork()) execv("/bin/cat", cat); end(); }
  WAY("cleared") { clearenv(); if (!fork()) execv("/bin/cat", cat); end(); }
  WAY("empty") { if (!fork()) execve("/bin/cat", cat, none); end(); }
  WAY("vfork") { if (!vfork()) { execve("/bin/cat", cat, environ); _exit(1); } end(); }
  WAY("spawn") { pid_t p; posix_spawn(&p, "/bin/cat", NULL, NULL, cat, none); end(); }
  WAY("spawn into") {
    pid_t p;
    char *copy[] = {"cat", NULL};
    posix_spawn_file_actions_t to;
    posix_spawn_file_actions_init(&to);
    posix_spawn_file_actions_addopen(&to, 0, "data/file", O_RDONLY, 0);
    posix_spawn(&p, "/bin/cat", &to, NULL, copy, environ);
    end();
  }
  WAY("spawn elsewhere") {
    pid_t p;
    char *copy[] = {"cat", NULL};
    posix_spawn_file_actions_t to;
    posix_spawn_file_actions_init(&to);
    posix_spawn_file_actions_addchdir_np(&to, "data");
    posix_spawn_file_actions_addopen(&to, 0, "file", O_RDONLY, 0);
    posix_spawn(&p, "/bin/cat", &to, NULL, copy, environ);
    end();
  }
  WAY("system") got = system("cat data/file");
  WAY("popen") { FILE *f = popen("cat data/file", "r"); while (fgetc(f) != EOF) {} pclose(f); }
  WAY("fexecve") { if (!fork()) fexecve(open("/bin/cat", O_RDONLY), cat, environ); end(); }
  WAY("execveat") { if (!fork()) syscall(SYS_execveat, AT_FDCWD, "/bin/cat", cat, environ, 0); end(); }
  WAY("loader") { if (!fork()) execl("/lib64/ld-linux-x86-64.so.2", "ld", "/bin/cat", "data/file", NULL); end(); }
  WAY("static with many words") {
    /* as a linker is started with the crates of a program */
    static char words[1500][96];
    char *all[1501] = {"static"};
    for (int i = 1; i < 1500; i++) sprintf(all[i] = words[i], "/a/folder/of/a/project/target/x86_64-unknown-linux-musl/release/deps/libcrate-%d.rlib", i);
    if (!fork()) execv("./static", all);
    end();
  }
  WAY("static") { if (!fork()) execl("./static", "static", NULL); end(); }
  WAY("library") { if (!fork()) execl("./uses", "uses", NULL); end(); }
  WAY("mapped") { int fd = open("data/file", O_RDONLY); got = *(char *)mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0); }
  WAY("openat") got = openat(open("data", O_DIRECTORY), "file", O_RDONLY) > 0;
  WAY("openat2") { struct open_how how = {O_RDONLY, 0, 0}; got = syscall(SYS_openat2, AT_FDCWD, "data/file", &how, sizeof how) > 0; }
  WAY("open by syscall") got = syscall(SYS_open, "data/file", O_RDONLY) > 0;
  WAY("openat by syscall") got = syscall(SYS_openat, AT_FDCWD, "data/file", O_RDONLY) > 0;
  WAY("io_uring") syscall(SYS_io_uring_setup, 1, NULL);
  WAY("unknown") syscall(9999);
  WAY("stat") stat("data/file", &status);
  WAY("lstat") lstat("data/file", &status);
  WAY("statx") { struct statx s; statx(AT_FDCWD, "data/file", 0, STATX_ALL, &s); }
  WAY("statx by syscall") { struct statx s; syscall(SYS_statx, AT_FDCWD, "data/file", 0, STATX_ALL, &s); }
  WAY("access") access("data/file", R_OK);
  WAY("fopen") got = fopen("data/file", "r") != NULL;
  WAY("freopen") got = freopen("data/file", "r", stdin) != NULL;
  WAY("absent") take("data/none");
  WAY("through a link") take("link");
  WAY("readlink") readlink("link", text, sizeof text);
  WAY("realpath") got = realpath("link", NULL) != NULL;
  WAY("hard link") { link("data/file", "out/linked"); take("out/linked"); }
  WAY("opendir") { DIR *d = opendir("data"); while (readdir(d)) {} }
  WAY("fdopendir") { DIR *d = fdopendir(open("data", O_RDONLY | O_DIRECTORY)); while (readdir64(d)) {} }
  WAY("getdents64") syscall(SYS_getdents64, open("data", O_RDONLY | O_DIRECTORY), text, sizeof text);
  WAY("scandir") { struct dirent **all; scandir("data", &all, NULL, NULL); }
  WAY("scandirat") { struct dirent **all; scandirat(AT_FDCWD, "data", &all, NULL, NULL); }
  WAY("glob") { glob_t g; glob("data/*", 0, NULL, &g); }
  WAY("wordexp") { wordexp_t w; wordexp("data/*", &w, 0); }
  WAY("nftw") nftw("data", visit, 4, 0);
  WAY("inotify") inotify_add_watch(inotify_init(), "data/file", IN_MODIFY);
  WAY("attribute") getxattr("data/file", "user.text", text, sizeof text);
  WAY("handle") syscall(SYS_open_by_handle_at, -1, NULL, 0);
  WAY("dlopen") got = dlopen("./libtold.so", RTLD_NOW) != NULL;
  WAY("dlmopen") got = dlmopen(LM_ID_NEWLM, "./libtold.so", RTLD_NOW) != NULL;
  WAY("getenv") got = getenv("WANTED") != NULL;
  WAY("secure_getenv") got = secure_getenv("WANTED") != NULL;
  WAY("environ") got = scan(environ);
  WAY("main's environment") got = scan(env);
  WAY("environ after a locale") { setlocale(LC_ALL, ""); got = scan(environ); }
  WAY("environ after libc") { time_t now = 0; struct tm *t = localtime(&now); strftime(text, 9, "%c", t); tempnam(NULL, "x"); got = scan(environ); }
  WAY("environ with all signals blocked") { sigset_t all; sigfillset(&all); sigprocmask(SIG_BLOCK, &all, NULL); tempnam(NULL, "x"); got = scan(environ); }
  WAY("environ in a thread") { pthread_t t; pthread_create(&t, NULL, (void *(*)(void *))scan, environ); pthread_join(t, NULL); }
  WAY("environ in a fork") { if (!fork()) _exit(scan(environ)); end(); }
  WAY("environ with a handler") { signal(SIGSEGV, SIG_DFL); signal(SIGTRAP, SIG_IGN); got = scan(environ); }
  WAY("environ after setenv") { setenv("OTHER", "x", 1); tempnam(NULL, "x"); got = scan(environ); }
  WAY("environ of the process") take("/proc/self/environ");
  WAY("environ of the thread") { sprintf(text, "/proc/self/task/%d/environ", getpid()); take(text); }
  WAY("root of the process") { sprintf(text, "/proc/self/root%s/data/file", getcwd(NULL, 0)); take(text); }
  WAY("locale") setlocale(LC_ALL, "");
  WAY("zone") { time_t now = 0; localtime(&now); }
  WAY("clock_gettime") { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); }
  WAY("clock by syscall") { struct timespec t; syscall(SYS_clock_gettime, CLOCK_REALTIME, &t); }
  WAY("gettimeofday") { struct timeval t; gettimeofday(&t, NULL); }
  WAY("time") time(NULL);
  WAY("sysinfo") { struct sysinfo s; sysinfo(&s); }
  WAY("monotonic") { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); }
  WAY("getrandom") getrandom(text, 8, 0);
  WAY("random by syscall") syscall(SYS_getrandom, text, 8, 0);
  WAY("urandom") take("/dev/urandom");
  WAY("hostname") gethostname(text, sizeof text);
  WAY("user") got = getpwuid(0) != NULL;
  WAY("group") got = getgrgid(0) != NULL;
  WAY("connect") { struct sockaddr_un a = {AF_UNIX, "none"}; connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a); }
  WAY("socket") socket(AF_INET, SOCK_DGRAM, 0);
  WAY("ptrace") ptrace(PTRACE_TRACEME, 0, NULL, NULL);
  WAY("shared memory") shmget(IPC_PRIVATE, 1, 0600);
  WAY("chroot") chroot("nowhere");
  WAY("unshare") unshare(0);
  WAY("many") for (int i = 0; i < 200100; i++) { sprintf(text, "data/none-%d", i); access(text, F_OK); }
  return (void)count, 0;
}
