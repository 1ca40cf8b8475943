/* Writes down what build scripts, rustc and the programs that they start have read: preloaded into them (ld.so(8), LD_PRELOAD).

   Passive, but in a rustc that compiles a crate, in a wrapper around it, in a build script, and in what these start. There
   each thing that is read becomes one record, kind and text, ended by a zero byte, in a file of the unit:

     K crate, extra-filename, out-dir   a rustc, tabs between     B folder       a build script, its OUT_DIR
     O path   opened for reading        S path   is there         A path         is not there
     L path   a link that was read      D path   a folder listed  W path         made or written by the unit itself
     V name   a variable                E prog   all variables    X path         a program that was started
     Z words  what a compiler that cannot be watched was given    M path         a file that lists what a compiler read
     U what   cannot be watched         N what   the network      C prog         the clock
     R prog   random numbers            H prog   the host's name  P prog         the user's name
     Q path   followed to what it is    T path         made empty    Y path   looked for on the search path, and no program
     G path   a macro, as rustc has loaded it                     o path         read by a compiler, of the system
     I prog   all variables, and below it the addresses in the program from which they were read
     t prog   the clock in whole seconds, as what tells the time asks it
     e prog   SOURCE_DATE_EPOCH (reproducible-builds.org), and it is not set: the clock is asked next

   A wrapper around rustc, and a linker that is somebody's script, has a file of its own, which begins with `K` and a fourth
   word, and a few kinds more:

     w path   a wrapper itself          J path   written, and not read: what was in it stays
     s what   a shell: f and its script, c and its commands, or ? where that cannot be told
     d path   the driver library of a rustc that it has started

   Nothing here may change what a program does: errno stays, no descriptor stays open (a program may close them all),
   each record is one write at the end of the file (so that threads and processes do not mix), no memory is allocated.
   Between vfork and exec only the stack is used.

   `environ` is data, and no function sees it read. So it is a page that cannot be read: the first read is a SIGSEGV,
   which is noted, and the page opened. What libc itself reads there does not count: it looks for names of its own. It gets
   each word of it, and the page is closed again before the next instruction. Not in a rustc, where a macro's own file
   tells whether it has a use for them. */

#define _GNU_SOURCE
#define _LARGEFILE64_SOURCE
#undef _FORTIFY_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define LONG 4608
/* All words of an invocation: a linker is given the paths of all crates. On the stack, and a thread has two MB. */
#define WORDS (1 << 18)
#define EXPORT __attribute__((visibility("default")))

extern char **environ;

/* ---- the kernel, without libc and without errno ---- */

#if defined(__x86_64__)
static long call(long n, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return r;
}
#define PLACE(context) ((uintptr_t)((ucontext_t *)(context))->uc_mcontext.gregs[REG_RIP])
#define ONE_STEP 0x100 /* the processor's trap flag */
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
static long call(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d,
                x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#define PLACE(context) ((uintptr_t)((ucontext_t *)(context))->uc_mcontext.pc)
#define MACHINE EM_AARCH64
#else
#error "no way into the kernel is known for this processor"
#endif
#define K0(n) call(n, 0, 0, 0, 0, 0, 0)
#define K2(n, a, b) call(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define K3(n, a, b, c) call(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define K4(n, a, b, c, d) call(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

/* ---- what this process is ---- */

enum { PASSIVE, RUSTC, SCRIPT };
static volatile int mode;
static int quiet;                    /* a compiler of cargoship's own: its variables and its clock are in keys already */
static int probes;                   /* a quiet one is rustc, which a script has started: code that it compiles asks for variables */
static char record[LONG];            /* the unit's file */
static char skip[2 * LONG];          /* prefixes of paths that are of no interest, with colons between */
static char of_quiet[2 * LONG];      /* those that a compiler of cargoship's own needs to run: of no interest in a quiet one */
static char build[LONG];             /* another one: what cargo keeps between; it counts in a rustc */
static char program[256];            /* the name of this one */
static char whole_program[512];
static char own_unit[LONG + 32], own_folder[LONG + 32], own_skip[2 * LONG + 32], own_of_quiet[2 * LONG + 32], own_preload[LONG + 32];
static char wrapped[2 * LONG];       /* the unit: in a rustc, in a wrapper around it, a linker, and in what these start */
static char own_wrapped[2 * LONG + 32], own_links[2 * LONG + 32], own_build[LONG + 32];
static const char own_quiet[] = "CARGOSHIP_WATCH_QUIET=1", own_bare[] = "CARGOSHIP_WATCH_BARE=1";
static int bare;                     /* what started this has given it an environment of its own making */

#define REAL(name)                                                                   \
  ({                                                                                 \
    static __typeof__(&name) found;                                                  \
    if (!found) found = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                  \
    found;                                                                           \
  })

static size_t length(const char *text) {
  size_t n = 0;
  while (text[n]) n++;
  return n;
}

static int starts(const char *text, const char *with) {
  while (*with)
    if (*text++ != *with++) return 0;
  return 1;
}

static size_t append(char *to, size_t at, size_t max, const char *text) {
  while (*text && at + 1 < max) to[at++] = *text++;
  to[at] = 0;
  return at;
}

static char *in(char **list, const char *name) {
  size_t n = length(name);
  for (; list && *list; list++)
    if (starts(*list, name) && (*list)[n] == '=') return *list + n + 1;
  return NULL;
}

static const char *last_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static int is_script(const char *path) {
  char start[2];
  long fd = K4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  long n = K3(SYS_read, fd, start, 2);
  K2(SYS_close, fd, 0);
  return n == 2 && start[0] == '#' && start[1] == '!';
}

/* ---- records ---- */

#define SEEN (1u << 16)
static uint64_t seen[SEEN];
static uint32_t written;
#define RECORDS_MAX 200000u

static int is_new(char kind, const char *text, size_t n) {
  uint64_t h = 1469598103934665603u ^ (unsigned char)kind;
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)text[i]) * 1099511628211u;
  h |= 1;
  for (uint32_t i = 0; i < 8; i++) {
    uint64_t *slot = &seen[(h + i) & (SEEN - 1)];
    uint64_t was = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (was == h) return 0;
    if (!was) {
      __atomic_store_n(slot, h, __ATOMIC_RELAXED);
      return 1;
    }
  }
  return 1;
}

/* A record that could not be written: a folder beside the file says so, for a folder takes no descriptor. */
static void put_lost(const char *file) {
  char mark[LONG + 8];
  append(mark, append(mark, 0, sizeof mark, file), sizeof mark, ".lost");
  K3(SYS_mkdirat, AT_FDCWD, mark, 0700);
}

/* One write at the end of the file. Where a program may write files of some size only, it is not told of ours. */
static long put_line(long fd, struct iovec *parts, int count) {
  struct rlimit most;
  uint64_t signal = (uint64_t)1 << (SIGXFSZ - 1), before;
  struct timespec none = {0, 0};
  if (K4(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &most) != 0 || most.rlim_cur == RLIM_INFINITY) return K3(SYS_writev, fd, parts, count);
  K4(SYS_rt_sigprocmask, SIG_BLOCK, &signal, &before, sizeof before);
  long n = K3(SYS_writev, fd, parts, count);
  if (n < 0 && !(before & signal)) K4(SYS_rt_sigtimedwait, &signal, NULL, &none, sizeof signal);
  K4(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
  return n;
}

static void put_into(const char *file, char kind, const char *text, size_t n) {
  struct iovec parts[] = {{&kind, 1}, {(void *)text, n}, {"", 1}};
  long fd = K4(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 || put_line(fd, parts, 3) != (long)n + 2) put_lost(file);
  if (fd >= 0) K2(SYS_close, fd, 0);
}

static void put(char kind, const char *text) {
  size_t n = length(text);
  if (n > 2 * LONG - 2 && kind != 'Z') n = 2 * LONG - 2, kind = 'U';
  if (!is_new(kind, text, n)) return;
  uint32_t number = __atomic_add_fetch(&written, 1, __ATOMIC_RELAXED);
  if (number > RECORDS_MAX) {
    if (number > RECORDS_MAX + 1) return;
    kind = 'U', text = "more than can be noted", n = length(text);
  }
  put_into(record, kind, text, n);
}

/* An absolute path; 0 where there is none. */
static int absolute(int dir, const char *path, char *to) {
  size_t at = 0;
  if (!path || !*path) return 0;
  if (*path != '/') {
    long n;
    if (dir == AT_FDCWD) {
      n = K2(SYS_getcwd, to, LONG - 2);
      if (n <= 0) return 0;
      at = (size_t)n - 1;
    } else {
      char name[64] = "/proc/self/fd/";
      size_t end = length(name);
      char digits[16];
      int count = 0;
      unsigned value = (unsigned)dir;
      do digits[count++] = (char)('0' + value % 10);
      while (value /= 10);
      while (count) name[end++] = digits[--count];
      name[end] = 0;
      n = K4(SYS_readlinkat, AT_FDCWD, name, to, LONG - 2);
      if (n <= 0) return 0;
      at = (size_t)n;
    }
    if (at == 1) at = 0;
    to[at++] = '/';
    while (path[0] == '.' && path[1] == '/') path += 2;
    if (path[0] == '.' && !path[1]) at = at > 1 ? at - 1 : at, path = "";
  }
  at = append(to, at, LONG, path);
  return at + 1 < LONG;
}

static int is_below(const char *prefixes, const char *path) {
  for (const char *at = prefixes; *at;) {
    size_t n = 0;
    while (at[n] && at[n] != ':') n++;
    size_t i = 0;
    while (i < n && path[i] == at[i]) i++;
    /* what climbs out again is looked at */
    if (n && i == n && (path[n] == '/' || !path[n])) return !strstr(path + n, "/..");
    at += n + (at[n] == ':');
  }
  return 0;
}

static int is_skipped(const char *path) {
  return is_below(skip, path) || (quiet && is_below(of_quiet, path)) || (mode == RUSTC && is_below(build, path));
}

static void rearm(void);
static int in_macro(uintptr_t stack);

/* Whether what is asked now counts: in a rustc only if a macro asks. */
#define COUNTS() (mode == SCRIPT ? !quiet : mode == RUSTC && in_macro((uintptr_t)__builtin_frame_address(0)))

static int is_of_system(const char *place) {
  static const char *const folders[] = {"/usr/", "/lib/", "/lib64/", "/lib32/", "/bin/", "/sbin/", "/etc/", "/opt/", "/proc/"};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
    if (starts(place, folders[i])) return 1;
  return 0;
}

/* A rustc tells what it reads itself, but for libraries, and files that would be in the way of others: a macro tells nothing.
   Of what a linker does on the system, keys say what it is; only the libraries may be anybody's. */
static int is_of_interest(char *kind, const char *path, const char *place) {
  if (mode == RUSTC && *kind != 'O' && *kind != 'W' && *kind != 'T') {
    size_t n = length(path);
    int is_source = *kind == 'A' && n > 3 && !strcmp(path + n - 3, ".rs") && !strstr(path, "..");
    return is_source || in_macro((uintptr_t)__builtin_frame_address(0));
  }
  if (quiet && is_of_system(place)) {
    if (*kind != 'O') return 0;
    *kind = 'o';
  }
  return 1;
}

static void note_at(char kind, int dir, const char *path) {
  char place[LONG];
  if (!mode) return;
  rearm();
  if (!path) return;
  if (!*path) return;
  if (!absolute(dir, path, place)) {
    put('U', "a path that is too long, or relative to a folder that is gone");
    return;
  }
  if (!is_of_interest(&kind, path, place)) return;
  if (kind == 'O' && (!strcmp(place, "/dev/urandom") || !strcmp(place, "/dev/random"))) {
    if (COUNTS()) put('R', program);
  } else if (!is_skipped(place)) {
    put(kind, place);
  }
}

static void say(char kind, const char *what) {
  if (!mode) return;
  rearm();
  /* what rustc does with the time goes into nothing; a macro may put it into the program */
  if (!what && mode == RUSTC && (kind == 'C' || kind == 't') && strcmp(program, "clippy-driver")) what = "a procedural macro";
  put(kind, what ? what : program);
}

/* ---- procedural macros: who asks, in a rustc ---- */

#define MACROS 512
static struct { uintptr_t from, to; } macros[MACROS];
static volatile int macro_count;
static uintptr_t macros_from = UINTPTR_MAX, macros_to;

#define NEAR 2048

/* Whether a function of a macro is being called, by the words near the top of the stack: which one, from 1. Between a macro
   and this there are only functions of libraries, with small frames. An old word may be taken for a caller: then too much
   counts. What drives a compiler for its own ends, as Clippy does, is the first of them. */
static int in_macro(uintptr_t stack) {
  uintptr_t words[NEAR];
  if (!macro_count) return 0;
  for (int part = 0; part < 2; part++) {
    struct iovec here = {words, sizeof words}, there = {(void *)(stack + part * sizeof words), sizeof words};
    long n = call(SYS_process_vm_readv, K0(SYS_getpid), (long)&here, 1, (long)&there, 1, 0);
    /* a kernel that does not serve this */
    if (n < 0 && n != -EFAULT) return MACROS + 1;
    if (n < (long)sizeof words) {
      /* the end of a stack: it is read word by word */
      for (n = 0; n < (long)sizeof words; n += sizeof *words) {
        here.iov_base = words + n / sizeof *words, here.iov_len = sizeof *words;
        there.iov_base = (void *)(stack + part * sizeof words + n), there.iov_len = sizeof *words;
        if (call(SYS_process_vm_readv, K0(SYS_getpid), (long)&here, 1, (long)&there, 1, 0) <= 0) break;
      }
    }
    for (size_t i = 0; i < (size_t)n / sizeof *words; i++) {
      if (words[i] < macros_from || words[i] >= macros_to) continue;
      for (int m = 0; m < macro_count; m++)
        if (words[i] >= macros[m].from && words[i] < macros[m].to) return m + 1;
    }
    if (n < (long)sizeof words) return 0;
  }
  return 0;
}

struct search { const char *path; uintptr_t from, to; };

static void add_macro(const struct search *found) {
  macros[macro_count].from = found->from, macros[macro_count].to = found->to;
  if (found->from < macros_from) macros_from = found->from;
  if (found->to > macros_to) macros_to = found->to;
  macro_count++;
}

static int find_loaded(struct dl_phdr_info *info, size_t size, void *data) {
  struct search *wanted = data;
  (void)size;
  /* the program itself has no name, and is the first one */
  if (*wanted->path && (!info->dlpi_name || strcmp(info->dlpi_name, wanted->path) != 0)) return 0;
  wanted->from = UINTPTR_MAX;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *head = &info->dlpi_phdr[i];
    if (head->p_type != PT_LOAD) continue;
    uintptr_t from = info->dlpi_addr + head->p_vaddr, to = from + head->p_memsz;
    if (from < wanted->from) wanted->from = from;
    if (to > wanted->to) wanted->to = to;
  }
  return 1;
}

/* ---- all variables at once: a page that tells when it is read ---- */

static char **trap;                  /* what environ is in a process that is watched */
static size_t trap_size;
static volatile int armed, scanned, taken;
static uintptr_t libc_from, libc_to;
static struct sigaction theirs;      /* what the program wants of SIGSEGV */
static struct sigaction theirs_step; /* and of SIGTRAP */
#if defined(__x86_64__)
static volatile int stepping, step_was_blocked;
#endif
static int handles;

static void open_trap(void) {
  armed = 0;
  K3(SYS_mprotect, trap, trap_size, PROT_READ | PROT_WRITE);
}

static void rearm(void) {
  if (!trap || armed || scanned || environ != trap) return;
  armed = 1;
  K3(SYS_mprotect, trap, trap_size, PROT_NONE);
}

static uintptr_t main_base;
struct frames { char text[1024]; size_t at; int left; };

static int frame(void *context, void *data) {
  static uintptr_t (*place)(void *);
  struct frames *found = data;
  if (!place) place = (uintptr_t(*)(void *))dlsym(RTLD_DEFAULT, "_Unwind_GetIP");
  if (!place || !found->left--) return 5;
  uintptr_t ip = place(context);
  Dl_info info;
  if (!dladdr((void *)ip, &info)) return 5;
  if ((uintptr_t)info.dli_fbase != main_base) return 0;
  ip -= main_base;
  char digits[20];
  int count = 0;
  do digits[count++] = "0123456789abcdef"[ip & 15];
  while (ip >>= 4);
  if (found->at + (size_t)count + 2 >= sizeof found->text) return 5;
  while (count) found->text[found->at++] = digits[--count];
  found->text[found->at++] = ' ';
  found->text[found->at] = 0;
  return 0;
}

static void give_on(const struct sigaction *to, int signal, siginfo_t *info, void *context) {
  if (to->sa_flags & SA_SIGINFO) {
    if (to->sa_sigaction) {
      to->sa_sigaction(signal, info, context);
      return;
    }
  } else if (to->sa_handler != SIG_DFL && to->sa_handler != SIG_IGN) {
    to->sa_handler(signal);
    return;
  }
  struct sigaction plain;
  memset(&plain, 0, sizeof plain);
  REAL(sigaction)(signal, &plain, NULL);
  if (signal == SIGTRAP) K3(SYS_tgkill, K0(SYS_getpid), K0(SYS_gettid), signal);
}

/* All variables were read, from `place`: who was it? */
static void on_read(void *place) {
  (void)place;
  if (bare || scanned) return;
  int (*walk)(int (*)(void *, void *), void *) = (int (*)(int (*)(void *, void *), void *))dlsym(RTLD_DEFAULT, "_Unwind_Backtrace");
  if (walk) {
    struct frames found = {.at = 0, .left = 40};
    Dl_info info;
    found.at = append(found.text, 0, sizeof found.text, whole_program);
    found.text[found.at++] = '\n', found.text[found.at] = 0;
    main_base = dladdr((void *)getauxval(AT_ENTRY), &info) ? (uintptr_t)info.dli_fbase : 0;
    walk(frame, &found);
    put('I', found.text);
  } else {
    scanned = 1;
    put('E', program);
  }
  taken = 1;
}

/* The stack that a program has for faults may be just enough for its own handler: that of a stack that has overflowed is.
   So what looks for the reader has one of its own, and an unwinder finds its way from there to the program's. */
static char stack[128 << 10] __attribute__((aligned(16)));
static volatile int stack_taken;
extern void on_stack(void *argument, void (*work)(void *), void *top);
#if defined(__x86_64__)
__asm__(".text\n.hidden on_stack\n.globl on_stack\n.type on_stack,@function\non_stack:\n.cfi_startproc\n"
        "push %rbp\n.cfi_def_cfa_offset 16\n.cfi_offset %rbp,-16\nmov %rsp,%rbp\n.cfi_def_cfa_register %rbp\n"
        "mov %rdx,%rsp\ncall *%rsi\nmov %rbp,%rsp\npop %rbp\n.cfi_def_cfa %rsp,8\nret\n.cfi_endproc\n.size on_stack,.-on_stack\n");
#else
__asm__(".text\n.hidden on_stack\n.globl on_stack\n.type on_stack,@function\non_stack:\n.cfi_startproc\n"
        "stp x29,x30,[sp,-16]!\n.cfi_def_cfa_offset 16\n.cfi_offset x29,-16\n.cfi_offset x30,-8\nmov x29,sp\n"
        ".cfi_def_cfa x29,16\nmov sp,x2\nblr x1\nmov sp,x29\n.cfi_def_cfa sp,16\nldp x29,x30,[sp],16\n"
        ".cfi_def_cfa_offset 0\n.cfi_restore x29\n.cfi_restore x30\nret\n.cfi_endproc\n.size on_stack,.-on_stack\n");
#endif

/* Let libc have the word that it asks for, and nobody the next one. */
static void give_one(void *context) {
#if defined(__x86_64__)
  ucontext_t *here = context;
  here->uc_mcontext.gregs[REG_EFL] |= ONE_STEP;
  step_was_blocked = sigismember(&here->uc_sigmask, SIGTRAP);
  sigdelset(&here->uc_sigmask, SIGTRAP);
  stepping = 1;
#else
  mcontext_t *here = &((ucontext_t *)context)->uc_mcontext;
  uint32_t how = *(const uint32_t *)here->pc;
  unsigned to = how & 31, from = (how >> 5) & 31;
  uint64_t at = from == 31 ? here->sp : here->regs[from], after = at;
  int64_t by = (int64_t)((uint64_t)how << 43) >> 55;
  if ((how & 0xffc00000u) == 0xf9400000u) at += ((how >> 10) & 0xfff) * 8;   /* ldr x, [x, #n] */
  else if ((how & 0xffe00c00u) == 0xf8400400u) after = at + (uint64_t)by;    /* ldr x, [x], #n */
  else if ((how & 0xffe00c00u) == 0xf8400c00u) after = at += (uint64_t)by;   /* ldr x, [x, #n]! */
  else if ((how & 0xffe0fc00u) == 0xf8606800u || (how & 0xffe0fc00u) == 0xf8607800u)
    at += here->regs[(how >> 16) & 31] << (how >> 12 & 1 ? 3 : 0);           /* ldr x, [x, x] */
  else {
    /* it stays open: nobody would see who reads there next */
    if (!bare) put('E', program);
    return;
  }
  uint64_t word = *(const uint64_t *)at;
  if (from == 31) here->sp = after;
  else here->regs[from] = after;
  if (to != 31) here->regs[to] = word;
  here->pc += 4;
  rearm();
#endif
}

static void on_fault(int signal, siginfo_t *info, void *context) {
  int kept = errno;
  uintptr_t at = (uintptr_t)info->si_addr;
  if (trap && at >= (uintptr_t)trap && at < (uintptr_t)trap + trap_size) {
    open_trap();
    uintptr_t place = PLACE(context);
    if (place >= libc_from && place < libc_to) {
      give_one(context);
    } else if (!__atomic_exchange_n(&stack_taken, 1, __ATOMIC_ACQUIRE)) {
      on_stack((void *)place, on_read, stack + sizeof stack);
      __atomic_store_n(&stack_taken, 0, __ATOMIC_RELEASE);
    } else {
      /* two threads at one moment */
      scanned = taken = 1;
      put('E', program);
    }
    errno = kept;
    return;
  }
  errno = kept;
  give_on(&theirs, signal, info, context);
}

static void on_step(int signal, siginfo_t *info, void *context) {
#if defined(__x86_64__)
  if (stepping && info->si_code == TRAP_TRACE) {
    int kept = errno;
    ucontext_t *here = context;
    stepping = 0;
    here->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)ONE_STEP;
    if (step_was_blocked) sigaddset(&here->uc_sigmask, SIGTRAP);
    rearm();
    errno = kept;
    return;
  }
#endif
  give_on(&theirs_step, signal, info, context);
}

static int is_ours(const char *entry) {
  return starts(entry, "CARGOSHIP_WATCH") || starts(entry, "LD_PRELOAD=");
}

/* A page of its own with what environ has, but for our variables: a program sees what it would see without us. */
static char **without_ours(size_t *size) {
  size_t count = 0;
  for (char **at = environ; at && *at; at++) count++;
  *size = ((count + 2) * sizeof(char *) + 4095) & ~(size_t)4095;
  char **made = (char **)call(SYS_mmap, 0, (long)*size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if ((long)made < 0 && (long)made > -4096) {
    put('U', "all variables: there is no memory");
    return NULL;
  }
  size_t to = 0;
  for (char **at = environ; at && *at; at++)
    if (!is_ours(*at)) made[to++] = *at;
  made[to] = NULL;
  return made;
}

static void arm(void) {
  size_t size;
  char **made = without_ours(&size);
  if (!made) return;
  trap = made, trap_size = size, armed = 0;
  environ = trap;
  rearm();
}

/* /proc/self/environ is the memory in which the kernel has put them. That is where cargoship would see whose process lives
   on when a build is over; so the unit's file is mapped, which /proc/self/maps shows as long as the process has not become
   another program. */
static void wipe(char **env) {
  long fd = K4(SYS_openat, AT_FDCWD, record, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return;
  long mapped = call(SYS_mmap, 0, 4096, PROT_NONE, MAP_PRIVATE, fd, 0);
  K2(SYS_close, fd, 0);
  if (mapped < 0 && mapped > -4096) return;
  for (; *env; env++)
    if (is_ours(*env)) memset(*env, 0, length(*env));
}

static void begin_trap(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  /* a stack that has overflowed is no place to tell of it */
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  if (REAL(sigaction)(SIGSEGV, &action, &theirs) != 0) return;
  action.sa_sigaction = on_step;
  if (REAL(sigaction)(SIGTRAP, &action, &theirs_step) != 0) return;
  handles = 1;
  arm();
}

static struct sigaction *wanted_of(int number) {
  return !handles ? NULL : number == SIGSEGV ? &theirs : number == SIGTRAP ? &theirs_step : NULL;
}

EXPORT int sigaction(int number, const struct sigaction *now, struct sigaction *then) {
  struct sigaction *wanted = wanted_of(number);
  if (!wanted) {
    struct sigaction own;
    if (!handles || !now) return REAL(sigaction)(number, now, then);
    own = *now;
    sigdelset(&own.sa_mask, SIGSEGV);
    sigdelset(&own.sa_mask, SIGTRAP);
    return REAL(sigaction)(number, &own, then);
  }
  struct sigaction was = *wanted;
  if (now) *wanted = *now;
  if (then) *then = was;
  return 0;
}

EXPORT sighandler_t signal(int number, sighandler_t handler) {
  struct sigaction *wanted = wanted_of(number);
  if (!wanted) return REAL(signal)(number, handler);
  sighandler_t was = wanted->sa_handler;
  memset(wanted, 0, sizeof *wanted);
  wanted->sa_handler = handler;
  return was;
}

/* A fault while its signal is blocked would be the program's end. */
#define BLOCKS(name)                                                          \
  EXPORT int name(int how, const sigset_t *set, sigset_t *then) {             \
    sigset_t less;                                                            \
    if (handles && set && how != SIG_UNBLOCK) {                               \
      less = *set;                                                            \
      sigdelset(&less, SIGSEGV);                                              \
      sigdelset(&less, SIGTRAP);                                              \
      set = &less;                                                            \
    }                                                                         \
    return REAL(name)(how, set, then);                                        \
  }
BLOCKS(sigprocmask)
BLOCKS(pthread_sigmask)

/* ---- variables ---- */

static char *value_of(const char *name, const char *end) {
  (void)end;
  char **list = environ;
  if (list == trap && trap) {
    /* reading it here is not reading all of it */
    int was = armed;
    if (was) open_trap();
    char *found = in(list, name);
    if (was) rearm();
    return found;
  }
  return in(list, name);
}

/* Clippy always asks whether its package was asked for, and keys say so where that has a say. */
static int is_clippys(const char *name) {
  return mode == RUSTC && !strcmp(program, "clippy-driver") && !strcmp(name, "CARGO_PRIMARY_PACKAGE") &&
         in_macro((uintptr_t)__builtin_frame_address(0)) == 1;
}

/* What a variable is; of the one that is asked for before the clock is, who asks in vain. */
static char *noted(const char *name) {
  say('V', name);
  char *value = value_of(name, NULL);
  if (!strcmp(name, "SOURCE_DATE_EPOCH") && !(value && *value)) say('e', NULL);
  return value;
}

/* What rustc looks at whatever it compiles; of what is left, `env!` and `option_env!` ask. One more costs a compilation,
   where its value has changed, and no wrong program. */
static int is_rustcs(const char *name) {
  static const char *const names[] = {"CARGO_MAKEFLAGS", "CI", "COLORTERM", "LD_LIBRARY_PATH", "MAKEFLAGS", "MFLAGS", "NO_COLOR", "PATH",
                                      "RUST_BACKTRACE", "RUST_MIN_STACK", "TERM", "TMPDIR", "VCINSTALLDIR"};
  if (starts(name, "RUSTC_") || starts(name, "LLVM_")) return 1;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(name, names[i])) return 1;
  return 0;
}

EXPORT char *getenv(const char *name) {
  if (!mode) return in(environ, name);
  if (probes && !is_rustcs(name)) return noted(name);
  return COUNTS() && !is_clippys(name) ? noted(name) : value_of(name, NULL);
}

EXPORT char *secure_getenv(const char *name) {
  if (!mode) return REAL(secure_getenv)(name);
  return COUNTS() ? noted(name) : value_of(name, NULL);
}

#define CHANGES(result, name, parameters, arguments) \
  EXPORT result name parameters {                    \
    int watched = trap && environ == trap;           \
    if (watched) open_trap();                        \
    __typeof__(REAL(name)) real = REAL(name);        \
    if (!watched) return real arguments;             \
    int code = real arguments;                       \
    if (!scanned) arm();                             \
    return code;                                     \
  }
extern int setenv(const char *, const char *, int), unsetenv(const char *), putenv(char *), clearenv(void);
CHANGES(int, setenv, (const char *name, const char *value, int over), (name, value, over))
CHANGES(int, unsetenv, (const char *name), (name))
CHANGES(int, putenv, (char *text), (text))
CHANGES(int, clearenv, (void), ())

/* libc looks for many names in these: all at once costs less than one by one. */
#define WITHIN(type, name, parameters, arguments)    \
  extern type name parameters;                       \
  EXPORT type name parameters {                      \
    int was = trap && armed && environ == trap;      \
    if (was) open_trap();                            \
    type result = REAL(name) arguments;              \
    if (was) rearm();                                \
    return result;                                   \
  }
struct option;
WITHIN(int, getopt, (int count, char *const *words, const char *names), (count, words, names))
WITHIN(int, getopt_long, (int count, char *const *words, const char *names, const struct option *longer, int *at),
       (count, words, names, longer, at))
WITHIN(int, getopt_long_only, (int count, char *const *words, const char *names, const struct option *longer, int *at),
       (count, words, names, longer, at))
WITHIN(char *, dcgettext, (const char *domain, const char *text, int category), (domain, text, category))
WITHIN(char *, dcngettext, (const char *domain, const char *one, const char *many, unsigned long n, int category),
       (domain, one, many, n, category))

/* Languages and time zones, of which libc reads what the user has set. */
static void note_locale(const char *name) {
  static const char *const names[] = {"LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME",
                                      "LANG", "LANGUAGE"};
  if (!mode || !name || *name || !COUNTS()) return;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) say('V', names[i]);
}

static void note_zone(void) {
  if (!mode || !COUNTS()) return;
  int kept = errno;
  say('V', "TZ");
  note_at('O', AT_FDCWD, "/etc/localtime");
  errno = kept;
}

#define LOCAL(type, name, parameters, arguments, note)  \
  extern type name parameters;                          \
  EXPORT type name parameters {                         \
    note;                                               \
    int was = trap && armed && environ == trap;         \
    if (was) open_trap();                               \
    type result = REAL(name) arguments;                 \
    if (was) rearm();                                   \
    return result;                                      \
  }
LOCAL(char *, setlocale, (int category, const char *name), (category, name), note_locale(name))
LOCAL(void *, newlocale, (int categories, const char *name, void *base), (categories, name, base), note_locale(name))
LOCAL(struct tm *, localtime, (const time_t *now), (now), note_zone())
LOCAL(struct tm *, localtime_r, (const time_t *now, struct tm *to), (now, to), note_zone())
LOCAL(time_t, mktime, (struct tm *from), (from), note_zone())
LOCAL(char *, ctime, (const time_t *now), (now), note_zone())
LOCAL(char *, ctime_r, (const time_t *now, char *to), (now, to), note_zone())
extern void tzset(void);
EXPORT void tzset(void) {
  note_zone();
  int was = trap && armed && environ == trap;
  if (was) open_trap();
  REAL(tzset)();
  if (was) rearm();
}

/* ---- files ---- */

/* What a call that asks for a path has said. */
static void asked(char there, int dir, const char *path, long result) {
  if (!mode) return;
  int kept = errno;
  if (result >= 0) note_at(there, dir, path);
  else if (kept == ENOENT || kept == ENOTDIR) note_at('A', dir, path);
  /* what is no link may become one */
  else if (there == 'L' && kept == EINVAL) note_at('L', dir, path);
  else if (kept != EFAULT && kept != EBADF && kept != EINVAL) note_at('S', dir, path);
  errno = kept;
}

static int is_there(int dir, const char *path) {
  struct stat status;
  return K4(SYS_newfstatat, dir, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static int was_there(int dir, const char *path, int flags) {
  /* only where it is not plain what opening means */
  return mode && path && (flags & O_CREAT) && (flags & O_ACCMODE) != O_RDONLY ? is_there(dir, path) : 1;
}

static void opened(int dir, const char *path, int flags, int there, long result) {
  if (!mode || !path) return;
  int kept = errno;
  int writes = (flags & O_ACCMODE) != O_RDONLY;
  if (result < 0 || !writes) asked('O', dir, path, result);
  else if (*wrapped && mode == SCRIPT && (flags & O_ACCMODE) == O_WRONLY && !(flags & (O_EXCL | O_TRUNC))) {
    /* a wrapper's log */
    note_at('J', dir, path);
    note_at('W', dir, path);
  } else if (!there) {
    if (!(flags & (O_EXCL | O_TRUNC))) note_at('A', dir, path);
    note_at('W', dir, path);
  } else {
    note_at((flags & (O_TRUNC | O_EXCL)) ? 'T' : 'O', dir, path);
    note_at('W', dir, path);
  }
  errno = kept;
}

static void made(int dir, const char *path, long result) {
  if (!mode || result < 0) return;
  int kept = errno;
  note_at('W', dir, path);
  errno = kept;
}

#define HAS_MODE(flags) (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE)
#define OPENS(name, dir_parameter, dir, call_arguments)                             \
  EXPORT int name(dir_parameter const char *path, int flags, ...) {                 \
    mode_t bits = 0;                                                                \
    if (HAS_MODE(flags)) {                                                          \
      va_list list;                                                                 \
      va_start(list, flags);                                                        \
      bits = (mode_t)va_arg(list, int);                                             \
      va_end(list);                                                                 \
    }                                                                               \
    int there = was_there(dir, path, flags);                                        \
    int result = REAL(name) call_arguments;                                         \
    opened(dir, path, flags, there, result);                                        \
    return result;                                                                  \
  }
#define AT_DIR int at,
#define NO_DIR
OPENS(open, NO_DIR, AT_FDCWD, (path, flags, bits))
OPENS(open64, NO_DIR, AT_FDCWD, (path, flags, bits))
OPENS(openat, AT_DIR, at, (at, path, flags, bits))
OPENS(openat64, AT_DIR, at, (at, path, flags, bits))

#define OPENS_2(name, parameters, arguments, dir)   \
  extern int name parameters;                       \
  EXPORT int name parameters {                      \
    int result = REAL(name) arguments;              \
    opened(dir, path, flags, 1, result);            \
    return result;                                  \
  }
OPENS_2(__open_2, (const char *path, int flags), (path, flags), AT_FDCWD)
OPENS_2(__open64_2, (const char *path, int flags), (path, flags), AT_FDCWD)
OPENS_2(__openat_2, (int at, const char *path, int flags), (at, path, flags), at)
OPENS_2(__openat64_2, (int at, const char *path, int flags), (at, path, flags), at)

#define CREATES(name)                                        \
  EXPORT int name(const char *path, mode_t bits) {           \
    int flags = O_CREAT | O_WRONLY | O_TRUNC;                \
    int there = was_there(AT_FDCWD, path, flags);            \
    int result = REAL(name)(path, bits);                     \
    opened(AT_FDCWD, path, flags, there, result);            \
    return result;                                           \
  }
CREATES(creat)
CREATES(creat64)

static int flags_of(const char *how) {
  int plus = how && strchr(how, '+') != NULL;
  switch (how ? *how : 'r') {
  case 'w': return (plus ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC;
  case 'a': return (plus ? O_RDWR : O_WRONLY) | O_CREAT;
  default: return plus ? O_RDWR : O_RDONLY;
  }
}

#define FOPENS(name, parameters, arguments)                                    \
  EXPORT FILE *name parameters {                                               \
    int flags = flags_of(how), there = was_there(AT_FDCWD, path, flags);       \
    FILE *result = REAL(name) arguments;                                       \
    opened(AT_FDCWD, path, flags, there, result ? 0 : -1);                     \
    return result;                                                             \
  }
FOPENS(fopen, (const char *path, const char *how), (path, how))
FOPENS(fopen64, (const char *path, const char *how), (path, how))
FOPENS(freopen, (const char *path, const char *how, FILE *stream), (path, how, stream))
FOPENS(freopen64, (const char *path, const char *how, FILE *stream), (path, how, stream))

#define ASKS(type, name, parameters, arguments, kind, dir) \
  extern type name parameters;                             \
  EXPORT type name parameters {                            \
    if (!REAL(name)) return errno = ENOSYS, -1;            \
    type result = REAL(name) arguments;                    \
    asked(kind, dir, path, (long)result);                  \
    return result;                                         \
  }
ASKS(int, stat, (const char *path, struct stat *to), (path, to), 'S', AT_FDCWD)
ASKS(int, stat64, (const char *path, struct stat64 *to), (path, to), 'S', AT_FDCWD)
ASKS(int, lstat, (const char *path, struct stat *to), (path, to), 'S', AT_FDCWD)
ASKS(int, lstat64, (const char *path, struct stat64 *to), (path, to), 'S', AT_FDCWD)
ASKS(int, fstatat, (int at, const char *path, struct stat *to, int flags), (at, path, to, flags), 'S', at)
ASKS(int, fstatat64, (int at, const char *path, struct stat64 *to, int flags), (at, path, to, flags), 'S', at)
ASKS(int, __xstat, (int version, const char *path, struct stat *to), (version, path, to), 'S', AT_FDCWD)
ASKS(int, __xstat64, (int version, const char *path, struct stat64 *to), (version, path, to), 'S', AT_FDCWD)
ASKS(int, __lxstat, (int version, const char *path, struct stat *to), (version, path, to), 'S', AT_FDCWD)
ASKS(int, __lxstat64, (int version, const char *path, struct stat64 *to), (version, path, to), 'S', AT_FDCWD)
ASKS(int, __fxstatat, (int version, int at, const char *path, struct stat *to, int flags), (version, at, path, to, flags), 'S', at)
ASKS(int, __fxstatat64, (int version, int at, const char *path, struct stat64 *to, int flags), (version, at, path, to, flags), 'S', at)
struct statx;
ASKS(int, statx, (int at, const char *path, int flags, unsigned mask, struct statx *to), (at, path, flags, mask, to), 'S', at)
ASKS(int, access, (const char *path, int how), (path, how), 'S', AT_FDCWD)
ASKS(int, euidaccess, (const char *path, int how), (path, how), 'S', AT_FDCWD)
ASKS(int, eaccess, (const char *path, int how), (path, how), 'S', AT_FDCWD)
ASKS(int, faccessat, (int at, const char *path, int how, int flags), (at, path, how, flags), 'S', at)
ASKS(ssize_t, readlink, (const char *path, char *to, size_t size), (path, to, size), 'L', AT_FDCWD)
ASKS(ssize_t, readlinkat, (int at, const char *path, char *to, size_t size), (at, path, to, size), 'L', at)
ASKS(ssize_t, __readlink_chk, (const char *path, char *to, size_t size, size_t room), (path, to, size, room), 'L', AT_FDCWD)
ASKS(ssize_t, __readlinkat_chk, (int at, const char *path, char *to, size_t size, size_t room), (at, path, to, size, room), 'L', at)
ASKS(int, inotify_add_watch, (int fd, const char *path, unsigned mask), (fd, path, mask), 'S', AT_FDCWD)
ASKS(int, mkdir, (const char *path, mode_t bits), (path, bits), 'W', AT_FDCWD)
ASKS(int, mkdirat, (int at, const char *path, mode_t bits), (at, path, bits), 'W', at)

#define RESOLVES(name, parameters, arguments)                    \
  extern char *name parameters;                                  \
  EXPORT char *name parameters {                                 \
    char *result = REAL(name) arguments;                         \
    asked('Q', AT_FDCWD, path, result ? 0 : -1);                          \
    return result;                                               \
  }
RESOLVES(realpath, (const char *path, char *to), (path, to))
RESOLVES(__realpath_chk, (const char *path, char *to, size_t room), (path, to, room))
RESOLVES(canonicalize_file_name, (const char *path), (path))

EXPORT DIR *opendir(const char *path) {
  DIR *result = REAL(opendir)(path);
  asked('D', AT_FDCWD, path, result ? 0 : -1);
  return result;
}

#define LISTS(name, type)                                                                                         \
  EXPORT int name(const char *path, struct type ***to, int (*filter)(const struct type *),                        \
                  int (*order)(const struct type **, const struct type **)) {                                     \
    int result = REAL(name)(path, to, filter, order);                                                             \
    asked('D', AT_FDCWD, path, result);                                                                           \
    return result;                                                                                                \
  }
LISTS(scandir, dirent)
LISTS(scandir64, dirent64)
#define LISTS_AT(name, type)                                                                                      \
  extern int name(int at, const char *, struct type ***, int (*)(const struct type *),                            \
                  int (*)(const struct type **, const struct type **));                                           \
  EXPORT int name(int at, const char *path, struct type ***to, int (*filter)(const struct type *),                \
                  int (*order)(const struct type **, const struct type **)) {                                     \
    int result = REAL(name)(at, path, to, filter, order);                                                         \
    asked('D', at, path, result);                                                                                 \
    return result;                                                                                                \
  }
LISTS_AT(scandirat, dirent)
LISTS_AT(scandirat64, dirent64)

#define MAKES(name, parameters, arguments, dir)   \
  extern int name parameters;                     \
  EXPORT int name parameters {                    \
    int result = REAL(name) arguments;            \
    made(dir, path, result);                      \
    return result;                                \
  }
MAKES(rename, (const char *from, const char *path), (from, path), AT_FDCWD)
MAKES(renameat, (int d, const char *from, int at, const char *path), (d, from, at, path), at)
MAKES(renameat2, (int d, const char *from, int at, const char *path, unsigned how), (d, from, at, path, how), at)
MAKES(symlink, (const char *from, const char *path), (from, path), AT_FDCWD)
MAKES(symlinkat, (const char *from, int at, const char *path), (from, at, path), at)
MAKES(unlink, (const char *path), (path), AT_FDCWD)
MAKES(unlinkat, (int at, const char *path, int flags), (at, path, flags), at)
MAKES(rmdir, (const char *path), (path), AT_FDCWD)
MAKES(remove, (const char *path), (path), AT_FDCWD)
MAKES(mkfifo, (const char *path, mode_t bits), (path, bits), AT_FDCWD)
MAKES(mkstemp, (char *path), (path), AT_FDCWD)
MAKES(mkstemp64, (char *path), (path), AT_FDCWD)
MAKES(mkostemp, (char *path, int flags), (path, flags), AT_FDCWD)
MAKES(mkostemp64, (char *path, int flags), (path, flags), AT_FDCWD)
MAKES(mkstemps, (char *path, int end), (path, end), AT_FDCWD)
MAKES(mkstemps64, (char *path, int end), (path, end), AT_FDCWD)
MAKES(mkostemps, (char *path, int end, int flags), (path, end, flags), AT_FDCWD)
MAKES(mkostemps64, (char *path, int end, int flags), (path, end, flags), AT_FDCWD)
extern char *mkdtemp(char *);
EXPORT char *mkdtemp(char *path) {
  char *result = REAL(mkdtemp)(path);
  made(AT_FDCWD, path, result ? 0 : -1);
  return result;
}
#define LINKS(name, parameters, arguments, from_dir, dir)   \
  extern int name parameters;                               \
  EXPORT int name parameters {                              \
    int result = REAL(name) arguments;                      \
    if (mode && result == 0) {                              \
      note_at('O', from_dir, from);                         \
      note_at('W', dir, path);                              \
    }                                                       \
    return result;                                          \
  }
LINKS(link, (const char *from, const char *path), (from, path), AT_FDCWD, AT_FDCWD)
LINKS(linkat, (int d, const char *from, int at, const char *path, int flags), (d, from, at, path, flags), d, at)

/* What libc does inside of itself nobody sees. */
#define HIDES(type, name, parameters, arguments)                  \
  extern type name parameters;                                    \
  EXPORT type name parameters {                                   \
    if (mode && COUNTS()) say('U', #name "()");                   \
    return REAL(name) arguments;                                  \
  }
HIDES(int, glob, (const char *p, int f, void *e, void *g), (p, f, e, g))
HIDES(int, glob64, (const char *p, int f, void *e, void *g), (p, f, e, g))
HIDES(int, ftw, (const char *p, void *f, int n), (p, f, n))
HIDES(int, ftw64, (const char *p, void *f, int n), (p, f, n))
HIDES(int, nftw, (const char *p, void *f, int n, int h), (p, f, n, h))
HIDES(int, nftw64, (const char *p, void *f, int n, int h), (p, f, n, h))
HIDES(void *, fts_open, (void *p, int o, void *c), (p, o, c))
HIDES(void *, fts64_open, (void *p, int o, void *c), (p, o, c))
HIDES(int, wordexp, (const char *w, void *p, int f), (w, p, f))
struct open_how;
HIDES(int, openat2, (int d, const char *p, const struct open_how *h, size_t n), (d, p, h, n))
HIDES(void *, dlmopen, (long space, const char *p, int f), (space, p, f))
/* where a path leads would be another question */
HIDES(int, chroot, (const char *p), (p))
HIDES(int, unshare, (int f), (f))
HIDES(int, setns, (int d, int f), (d, f))
HIDES(int, mount, (const char *from, const char *to, const char *how, unsigned long f, const void *d), (from, to, how, f, d))
/* what others have in their memory */
HIDES(ssize_t, process_vm_readv, (pid_t p, const struct iovec *l, unsigned long n, const struct iovec *r, unsigned long m, unsigned long f),
      (p, l, n, r, m, f))
HIDES(int, shm_open, (const char *p, int f, mode_t m), (p, f, m))
HIDES(int, shmget, (int k, size_t n, int f), (k, n, f))
HIDES(int, msgget, (int k, int f), (k, f))
extern long ptrace(int, ...);
EXPORT long ptrace(int what, ...) {
  long a[3];
  va_list list;
  va_start(list, what);
  for (int i = 0; i < 3; i++) a[i] = va_arg(list, long);
  va_end(list);
  if (mode && COUNTS()) say('U', "ptrace()");
  return ((long (*)(int, ...))REAL(ptrace))(what, a[0], a[1], a[2]);
}
extern int mq_open(const char *, int, ...);
EXPORT int mq_open(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  mode_t bits = (mode_t)va_arg(list, int);
  void *wanted = va_arg(list, void *);
  va_end(list);
  if (mode && COUNTS()) say('U', "mq_open()");
  return ((int (*)(const char *, int, ...))REAL(mq_open))(path, flags, bits, wanted);
}

/* Attributes of files that users give them: no digest has them. */
#define ATTRIBUTES(name, first_type)                                                          \
  extern ssize_t name(first_type of, const char *attribute, void *to, size_t size);           \
  EXPORT ssize_t name(first_type of, const char *attribute, void *to, size_t size) {          \
    if (mode && attribute && starts(attribute, "user.") && COUNTS()) say('U', #name "()");    \
    return REAL(name)(of, attribute, to, size);                                               \
  }
ATTRIBUTES(getxattr, const char *)
ATTRIBUTES(lgetxattr, const char *)
ATTRIBUTES(fgetxattr, int)

struct file_handle;
HIDES(int, open_by_handle_at, (int m, struct file_handle *h, int f), (m, h, f))

/* ---- the world outside ---- */

#define TELLS(kind, type, name, parameters, arguments, when)     \
  extern type name parameters;                                   \
  EXPORT type name parameters {                                  \
    if (!REAL(name)) return errno = ENOSYS, (type)-1;            \
    if (mode && (when) && COUNTS()) say(kind, NULL);             \
    return REAL(name) arguments;                                 \
  }
/* A build script's own, and that of the program that is there to tell it: shells and many others just ask. */
static int tells_who(void) {
  return starts(program, "build-script") || !strcmp(program, "id");
}
/* Of the clock of compilers, what they put into what they make: __DATE__ and __TIME__. */
static int dates_c(void) {
  return starts(program, "cc1") || strstr(program, "clang");
}

EXPORT time_t time(time_t *to) {
  if (!REAL(time)) return errno = ENOSYS, (time_t)-1;
  if (COUNTS() || (mode == SCRIPT && dates_c())) say('t', NULL);
  return REAL(time)(to);
}
struct timezone;
struct addrinfo;
struct hostent;
struct passwd;
struct utsname;
#define IS_CLOCK(id) ((id) == CLOCK_REALTIME || (id) == 5 || (id) == 11)
TELLS('C', int, clock_gettime, (clockid_t id, struct timespec *to), (id, to), IS_CLOCK(id))
TELLS('C', int, gettimeofday, (struct timeval *to, void *zone), (to, zone), 1)
TELLS('C', int, timespec_get, (struct timespec *to, int base), (to, base), 1)
TELLS('R', ssize_t, getrandom, (void *to, size_t size, unsigned flags), (to, size, flags), flags == 0)
TELLS('R', int, getentropy, (void *to, size_t size), (to, size), 1)
TELLS('C', int, sysinfo, (void *to), (to), 1)
TELLS('C', int, getloadavg, (double *to, int n), (to, n), 1)
TELLS('H', long, gethostid, (void), (), 1)
TELLS('H', int, getdomainname, (char *to, size_t size), (to, size), 1)
TELLS('P', uid_t, getuid, (void), (), tells_who())
TELLS('P', uid_t, geteuid, (void), (), tells_who())
TELLS('P', gid_t, getgid, (void), (), tells_who())
TELLS('P', gid_t, getegid, (void), (), tells_who())
TELLS('N', int, accept, (int fd, struct sockaddr *from, socklen_t *size), (fd, from, size), 1)
TELLS('N', int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags), (fd, from, size, flags), 1)
TELLS('H', int, gethostname, (char *to, size_t size), (to, size), 1)
TELLS('H', int, uname, (struct utsname *to), (to), 1)
TELLS('P', struct passwd *, getpwuid, (unsigned id), (id), 1)
TELLS('P', int, getpwuid_r, (unsigned id, void *p, char *b, size_t n, void *r), (id, p, b, n, r), 1)
TELLS('P', struct passwd *, getpwnam, (const char *name), (name), 1)
TELLS('P', char *, getlogin, (void), (), 1)
TELLS('P', int, getlogin_r, (char *to, size_t size), (to, size), 1)
#define GROUPS(type, name, parameters, arguments)               \
  extern type name parameters;                                  \
  EXPORT type name parameters {                                 \
    int kept = errno;                                           \
    if (mode && COUNTS()) note_at('O', AT_FDCWD, "/etc/group"); \
    errno = kept;                                               \
    return REAL(name) arguments;                                \
  }
GROUPS(void *, getgrgid, (gid_t id), (id))
GROUPS(void *, getgrnam, (const char *name), (name))
GROUPS(int, getgrgid_r, (gid_t id, void *g, char *b, size_t n, void *r), (id, g, b, n, r))
GROUPS(int, getgrnam_r, (const char *name, void *g, char *b, size_t n, void *r), (name, g, b, n, r))
/* of glibc 2.36; what asks by dlsym whether it is there gets ours */
extern uint32_t arc4random(void), arc4random_uniform(uint32_t);
extern void arc4random_buf(void *, size_t);
EXPORT void arc4random_buf(void *to, size_t size) {
  if (mode && COUNTS()) say('R', NULL);
  for (size_t at = 0; at < size;) {
    long n = K3(SYS_getrandom, (char *)to + at, size - at, 0);
    if (n > 0) at += (size_t)n;
  }
}
EXPORT uint32_t arc4random(void) {
  uint32_t number;
  arc4random_buf(&number, sizeof number);
  return number;
}
EXPORT uint32_t arc4random_uniform(uint32_t below) {
  uint32_t number, first = below > 1 ? -below % below : 0;
  do number = arc4random();
  while (number < first);
  return below > 1 ? number % below : 0;
}
TELLS('N', int, getaddrinfo, (const char *n, const char *s, const struct addrinfo *h, struct addrinfo **r), (n, s, h, r), 1)
TELLS('N', struct hostent *, gethostbyname, (const char *name), (name), 1)
TELLS('N', int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size), 1)
TELLS('N', int, socket, (int family, int type, int protocol), (family, type, protocol), family == AF_INET || family == AF_INET6)

/* ---- libc's door into the kernel ---- */

/* What says nothing of the world, or only of what has been opened before; and what is looked at below. */
static int is_harmless(long number) {
  switch (number) {
#ifdef SYS_open
    case SYS_creat: case SYS_stat: case SYS_lstat: case SYS_access: case SYS_readlink:
    case SYS_fork: case SYS_vfork: case SYS_pipe: case SYS_dup2: case SYS_poll: case SYS_epoll_wait: case SYS_epoll_create:
    case SYS_eventfd: case SYS_getdents: case SYS_rename: case SYS_mkdir: case SYS_rmdir: case SYS_unlink: case SYS_symlink:
    case SYS_chmod: case SYS_utimes: case SYS_arch_prctl: case SYS_getpgrp: case SYS_pause: case SYS_alarm:
#endif
#ifdef SYS_faccessat2
    case SYS_faccessat2:
#endif
#ifdef SYS_close_range
    case SYS_close_range:
#endif
#ifdef SYS_clone3
    case SYS_clone3:
#endif
#ifdef SYS_pidfd_open
    case SYS_pidfd_open: case SYS_pidfd_send_signal:
#endif
#ifdef SYS_rseq
    case SYS_rseq:
#endif
#ifdef SYS_preadv2
    case SYS_preadv2: case SYS_pwritev2:
#endif
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
#endif
    case SYS_newfstatat: case SYS_statx: case SYS_faccessat: case SYS_readlinkat: case SYS_fstat: case SYS_getdents64:
    case SYS_getcwd: case SYS_chdir: case SYS_fchdir: case SYS_futex: case SYS_gettid: case SYS_getpid: case SYS_getppid:
    case SYS_tgkill: case SYS_kill: case SYS_membarrier: case SYS_memfd_create: case SYS_copy_file_range: case SYS_sendfile:
    case SYS_renameat: case SYS_renameat2: case SYS_mkdirat: case SYS_unlinkat: case SYS_symlinkat: case SYS_fchmodat:
    case SYS_utimensat: case SYS_ftruncate: case SYS_fallocate: case SYS_fsync: case SYS_fdatasync: case SYS_fadvise64:
    case SYS_read: case SYS_write: case SYS_readv: case SYS_writev: case SYS_pread64: case SYS_pwrite64: case SYS_preadv:
    case SYS_pwritev: case SYS_lseek: case SYS_close: case SYS_dup: case SYS_dup3: case SYS_pipe2: case SYS_fcntl: case SYS_flock:
    case SYS_ioctl: case SYS_ppoll: case SYS_pselect6: case SYS_epoll_create1: case SYS_epoll_ctl: case SYS_epoll_pwait:
    case SYS_eventfd2: case SYS_signalfd4: case SYS_timerfd_create: case SYS_timerfd_settime: case SYS_socketpair:
    case SYS_mmap: case SYS_munmap: case SYS_mremap: case SYS_mprotect: case SYS_madvise: case SYS_msync: case SYS_mlock:
    case SYS_brk: case SYS_mincore: case SYS_clone: case SYS_exit: case SYS_exit_group: case SYS_wait4: case SYS_waitid:
    case SYS_prctl: case SYS_prlimit64: case SYS_getrlimit: case SYS_setrlimit: case SYS_sched_yield: case SYS_sched_getaffinity:
    case SYS_sched_setaffinity: case SYS_sched_getparam: case SYS_sched_getscheduler: case SYS_getpriority: case SYS_setpriority:
    case SYS_nanosleep: case SYS_clock_nanosleep: case SYS_clock_getres: case SYS_rt_sigaction: case SYS_rt_sigprocmask:
    case SYS_rt_sigreturn: case SYS_sigaltstack: case SYS_set_robust_list: case SYS_set_tid_address: case SYS_getrusage:
    case SYS_times: case SYS_umask: case SYS_setsid: case SYS_setpgid: case SYS_getpgid: case SYS_getsid: case SYS_getcpu:
    case SYS_personality: case SYS_mbind: case SYS_get_mempolicy: case SYS_set_mempolicy: case SYS_ioprio_set: case SYS_ioprio_get:
    case SYS_splice: case SYS_tee: case SYS_vmsplice: case SYS_readahead: case SYS_sync: case SYS_syncfs: case SYS_statfs:
    case SYS_fstatfs: case SYS_fchmod: case SYS_fchown: case SYS_fchownat: case SYS_inotify_init1: case SYS_inotify_rm_watch:
      return 1;
    default:
      return 0;
  }
}

extern long syscall(long, ...);
EXPORT long syscall(long number, ...) {
  long a[6];
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  int there = 1;
  if (mode) switch (number) {
#ifdef SYS_open
    case SYS_open: there = was_there(AT_FDCWD, (const char *)a[0], (int)a[1]); break;
#endif
    case SYS_openat: there = was_there((int)a[0], (const char *)a[1], (int)a[2]); break;
#ifdef SYS_openat2
    case SYS_openat2: say('U', "openat2"); break;
#endif
    case SYS_execve:
    case SYS_execveat: say('U', "execve by syscall()"); break;
#ifdef SYS_io_uring_setup
    case SYS_io_uring_setup: say('U', "io_uring"); break;
#endif
    case SYS_open_by_handle_at: say('U', "open_by_handle_at"); break;
    case SYS_connect: if (COUNTS()) say('N', NULL); break;
    case SYS_socket: if ((a[0] == AF_INET || a[0] == AF_INET6) && COUNTS()) say('N', NULL); break;
    case SYS_clock_gettime: if (IS_CLOCK(a[0]) && COUNTS()) say('C', NULL); break;
    case SYS_gettimeofday: if (COUNTS()) say('C', NULL); break;
    case SYS_getrandom: if (a[2] == 0 && COUNTS()) say('R', NULL); break;
    case SYS_uname: if (COUNTS()) say('H', NULL); break;
    case SYS_sysinfo: if (COUNTS()) say('C', NULL); break;
    case SYS_getuid: case SYS_geteuid: case SYS_getgid: case SYS_getegid: if (tells_who() && COUNTS()) say('P', NULL); break;
    default: if (!is_harmless(number) && COUNTS()) say('U', "a system call that is not known"); break;
  }
  long result = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (mode) switch (number) {
#ifdef SYS_open
    case SYS_open: opened(AT_FDCWD, (const char *)a[0], (int)a[1], there, result); break;
    case SYS_creat: opened(AT_FDCWD, (const char *)a[0], O_CREAT | O_WRONLY | O_TRUNC, 1, result); break;
    case SYS_stat:
    case SYS_lstat:
    case SYS_access: asked('S', AT_FDCWD, (const char *)a[0], result); break;
    case SYS_readlink: asked('L', AT_FDCWD, (const char *)a[0], result); break;
#endif
    case SYS_openat: opened((int)a[0], (const char *)a[1], (int)a[2], there, result); break;
    case SYS_newfstatat:
    case SYS_statx:
#ifdef SYS_faccessat2
    case SYS_faccessat2:
#endif
    case SYS_faccessat: asked('S', (int)a[0], (const char *)a[1], result); break;
    case SYS_readlinkat: asked('L', (int)a[0], (const char *)a[1], result); break;
    default: break;
  }
  return result;
}

/* ---- programs that are started ---- */

enum { FOREIGN, WATCHED, ALONE };

/* Whether a program can be watched; it is noted, with what its first line asks for, but where nobody takes notes. */
static int look_at(const char *place, int depth) {
  union { char text[4096]; ElfW(Ehdr) head; } file;
  long fd = K4(SYS_openat, AT_FDCWD, place, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) {
    note_at('U', AT_FDCWD, place);
    return WATCHED;
  }
  struct stat status;
  long n = K3(SYS_read, fd, file.text, sizeof file.text - 1);
  int privileged = K4(SYS_newfstatat, AT_FDCWD, place, &status, 0) == 0 && (status.st_mode & (S_ISUID | S_ISGID));
  K2(SYS_close, fd, 0);
  note_at('X', AT_FDCWD, place);
  if (n < 4) return WATCHED;
  if (file.text[0] == '#' && file.text[1] == '!') {
    file.text[n] = 0;
    char *from = file.text + 2;
    while (*from == ' ' || *from == '\t') from++;
    char *to = from;
    while (*to && *to != ' ' && *to != '\t' && *to != '\n') to++;
    *to = 0;
    return depth > 3 ? WATCHED : look_at(from, depth + 1);
  }
  int good = 0, has_loader = 0;
  if (n > (long)sizeof file.head && memcmp(file.text, ELFMAG, SELFMAG) == 0 && file.head.e_machine == MACHINE &&
      file.text[EI_CLASS] == ELFCLASS64) {
    for (int i = 0; i < file.head.e_phnum; i++) {
      size_t at = file.head.e_phoff + (size_t)i * sizeof(ElfW(Phdr));
      if (at + sizeof(ElfW(Phdr)) > (size_t)n) break;
      const ElfW(Phdr) *part = (const void *)(file.text + at);
      if (part->p_offset + part->p_filesz > (size_t)n) continue;
      if (part->p_type == PT_INTERP && part->p_filesz > 0) {
        has_loader = 1;
        const char *loader = file.text + part->p_offset, *last = loader;
        for (size_t j = 0; j + 1 < part->p_filesz && loader[j]; j++)
          if (loader[j] == '/') last = loader + j + 1;
        good = starts(last, "ld-linux");
      }
    }
    for (int i = 0; good && i < file.head.e_phnum; i++) {
      size_t at = file.head.e_phoff + (size_t)i * sizeof(ElfW(Phdr));
      if (at + sizeof(ElfW(Phdr)) > (size_t)n) break;
      const ElfW(Phdr) *part = (const void *)(file.text + at);
      /* Go calls the kernel itself */
      if (part->p_type == PT_NOTE && part->p_offset + 16 <= (size_t)n && memcmp(file.text + part->p_offset + 12, "Go\0", 3) == 0)
        good = 0;
    }
  } else if (memcmp(file.text, ELFMAG, SELFMAG) != 0) {
    /* what execvp gives to a shell */
    return WATCHED;
  }
  /* what has no loader leaves our variables alone, and gives them to those that it starts */
  return good && !privileged ? WATCHED : has_loader ? FOREIGN : ALONE;
}

/* The words of an invocation, for what is known and cannot be watched. */
static void put_words(const char *place, char *const words[]) {
  char text[WORDS];
  char cwd[LONG];
  size_t at = append(text, 0, sizeof text, place);
  long n = K2(SYS_getcwd, cwd, sizeof cwd);
  if (n <= 0) cwd[0] = 0;
  text[at++] = '\n';
  at = append(text, at, sizeof text, cwd);
  for (size_t i = 1; words && words[0] && words[i]; i++) {
    if (at + length(words[i]) + 3 >= sizeof text) {
      put('U', "a compiler that was given more words than can be noted");
      return;
    }
    text[at++] = '\n';
    at = append(text, at, sizeof text, words[i]);
  }
  put('Z', text);
}

/* Note a program that will be started. 1: it is to get our variables. */
static int starting(const char *place, char *const words[]) {
  char whole[LONG];
  if (!absolute(AT_FDCWD, place, whole)) {
    put('U', place);
    return 1;
  }
  struct stat status;
  if (K4(SYS_newfstatat, AT_FDCWD, whole, &status, 0) != 0) {
    note_at('A', AT_FDCWD, whole);
    return 1;
  }
  int how = look_at(whole, 0);
  if (how != WATCHED) put_words(whole, words);
  return how != FOREIGN;
}

static size_t count_of(char *const *list) {
  size_t n = 0;
  while (list && list[n]) n++;
  return n;
}

/* A compiler, or a wrapper of one: keys say what it is, and in which environment it works. */
static int is_own_compiler(const char *place) {
  static const char *const names[] = {"cc", "c++", "gcc", "g++", "cpp", "clang", "ld", "as", "ar", "nm", "ranlib", "strip", "objcopy"};
  char whole[LONG];
  if (!absolute(AT_FDCWD, place, whole)) return 0;
  if (is_below(skip, whole)) return 1;
  if (!is_of_system(whole)) return 0;
  /* x86_64-linux-gnu-gcc-12 */
  const char *name = strrchr(whole, '/') + 1;
  if (starts(name, "x86_64-linux-gnu-")) name += 17;
  if (starts(name, "aarch64-linux-gnu-")) name += 18;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    size_t n = length(names[i]);
    if (starts(name, names[i]) && (!name[n] || name[n] == '-' || name[n] == '.')) return 1;
  }
  return 0;
}

/* Whether a linker is neither cargoship's nor the system's. */
static int is_somebodys(const char *place) {
  char whole[LONG];
  if (!place || is_own_compiler(place) || !absolute(AT_FDCWD, place, whole)) return 0;
  return !is_of_system(whole) || is_script(whole);
}

/* The environment of a program: as it was given, with our variables as they are here. */
static void with_ours(char *const *given, char **to, int watched, int is_linker, const char *place) {
  size_t n = 0;
  char *const *list = given;
  if (list == (char *const *)trap && trap && armed) open_trap();
  for (; list && *list; list++)
    if (!is_ours(*list)) to[n++] = *list;
  /* somebody's own linker: it is no rustc, and no compiler that keys know */
  int links = is_linker && is_somebodys(place);
  to[n++] = links ? own_links : own_unit, to[n++] = own_folder, to[n++] = own_skip, to[n++] = own_of_quiet;
  if (*wrapped && mode == SCRIPT) to[n++] = own_wrapped, to[n++] = own_build;
  if (links) to[n++] = own_build;
  /* what starts rustc for cargoship may be told to start somebody else's script */
  int hands_on = *wrapped && place && !strcmp(last_of(place), "cargoship-rustc");
  if (quiet || (is_linker && !links) || (!hands_on && is_own_compiler(place))) to[n++] = (char *)own_quiet;
  if (bare || (given != (char *const *)trap && trap && !taken)) to[n++] = (char *)own_bare;
  if (watched) to[n++] = own_preload;
  to[n] = NULL;
}

#define ENVIRONMENT(given, place, words)                                         \
  int is_linker_ = mode == RUSTC && !in_macro((uintptr_t)__builtin_frame_address(0));\
  int watched_ = starting(place, words);                                         \
  if ((char **)(given) == trap && trap && armed) open_trap();                    \
  char *made_[count_of(given) + 12];                                              \
  with_ours(given, made_, watched_, is_linker_, place);

/* Where a name is on the search path (execvp(3)); as it is, where it is nowhere. */
static const char *searched(const char *name, char *to) {
  if (strchr(name, '/')) return name;
  const char *path = value_of("PATH", NULL);
  if (!path) path = "/bin:/usr/bin";
  for (const char *from = path;; from++) {
    const char *end = from;
    while (*end && *end != ':') end++;
    size_t n = (size_t)(end - from);
    if (n + length(name) + 3 < LONG) {
      memcpy(to, from, n);
      if (n) to[n++] = '/';
      append(to, n, LONG, name);
      struct stat status;
      if (K4(SYS_newfstatat, AT_FDCWD, to, &status, 0) == 0 && S_ISREG(status.st_mode) &&
          K3(SYS_faccessat, AT_FDCWD, to, X_OK) == 0)
        return to;
      note_at('Y', AT_FDCWD, to);
    }
    if (!*end) return name;
    from = end;
  }
}

/* ---- wrappers around rustc ---- */

struct compilation { const char *crate, *extra, *out; };

/* What a rustc with these words would compile; 0 where that is nothing. */
static int is_compilation(struct compilation *found, char *const words[]) {
  found->crate = NULL, found->extra = found->out = "";
  for (size_t i = 1; words && words[0] && words[i] && words[i + 1]; i++) {
    if (!strcmp(words[i], "--crate-name")) found->crate = words[i + 1];
    if (!strcmp(words[i], "--out-dir")) found->out = words[i + 1];
    if (!strcmp(words[i], "-C") && starts(words[i + 1], "extra-filename=")) found->extra = words[i + 1] + 15;
  }
  return found->crate != NULL;
}

/* cargo asks what the compiler is and can do before it compiles: of a crate with this name, and of no package. */
static int is_of_cargo(const struct compilation *unit, char **env) {
  return in(env, "CARGO_PKG_NAME") || (!strcmp(unit->crate, "___") && !in(env, "OUT_DIR"));
}

static void name_unit(char *to, size_t size, const struct compilation *of) {
  size_t at = append(to, 0, size, of->crate);
  at = append(to, at, size, "\t");
  at = append(to, at, size, of->extra);
  at = append(to, at, size, "\t");
  append(to, at, size, of->out);
}

/* What gives back what rustc has made of the same, or what rustc makes: known by their names, and by what they promise. */
static int is_transparent(const char *name) {
  static const char *const names[] = {"sccache", "cachepot", "kache", "cargo"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(name, names[i])) return 1;
  return 0;
}

/* cargoship's own script, or its stand-in: nothing of them is anybody else's. */
static int is_own_rustc(const char *prefixes, const char *path) {
  const char *name = last_of(path);
  return *path == '/' && is_below(prefixes, path) && (!strcmp(name, "cargoship-rustc") || !strcmp(name, "rustc"));
}

/* rustup's, which starts the toolchain's own; a link to it, or the same file under another name. */
static int is_proxy(const char *place) {
  char beside[LONG];
  struct stat one, other;
  const char *name = last_of(place);
  if (!strcmp(name, "rustup")) return 1;
  size_t n = (size_t)(name - place);
  if (!n || n + 7 >= sizeof beside) return 0;
  memcpy(beside, place, n);
  append(beside, n, sizeof beside, "rustup");
  return K4(SYS_newfstatat, AT_FDCWD, place, &one, 0) == 0 && K4(SYS_newfstatat, AT_FDCWD, beside, &other, 0) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static void name_record(char *to, size_t size, const char *folder) {
  struct timespec now;
  K2(SYS_clock_gettime, CLOCK_REALTIME, &now);
  unsigned long numbers[3] = {(unsigned long)K0(SYS_getpid), (unsigned long)K0(SYS_gettid),
                              (unsigned long)now.tv_sec * 1000000000ul + (unsigned long)now.tv_nsec};
  size_t at = append(to, 0, size, folder);
  for (int i = 0; i < 3; i++) {
    char digits[24];
    int count = 0;
    do digits[count++] = (char)('0' + numbers[i] % 10);
    while (numbers[i] /= 10);
    at = append(to, at, size, i ? "-" : "/");
    while (count && at + 1 < size) to[at++] = digits[--count];
    to[at] = 0;
  }
}

/* A wrapper that cannot be watched does not say so itself: what starts it, which is cargo, does. */
static void look_out(const char *path, char *const words[], char *const env[]) {
  struct compilation unit;
  const char *folder, *prefixes;
  char place[LONG], file[LONG], text[2 * LONG];
  if (!is_compilation(&unit, words) || !is_of_cargo(&unit, (char **)env) || !in((char **)env, "LD_PRELOAD")) return;
  if (!(folder = in((char **)env, "CARGOSHIP_WATCH")) || *folder != '/' || in((char **)env, "CARGOSHIP_WATCH_UNIT")) return;
  prefixes = in((char **)env, "CARGOSHIP_WATCH_SKIP");
  if (!absolute(AT_FDCWD, path, place) || is_own_rustc(prefixes ? prefixes : "", place)) return;
  const char *what = place;
  if (is_transparent(last_of(place))) {
    /* it may have it started by somebody whom nobody watches */
    if (!words[1] || !absolute(AT_FDCWD, searched(words[1], file), text)) return;
    if (is_own_rustc(prefixes ? prefixes : "", text) || !is_script(text)) return;
    what = words[1];
  } else if (look_at(place, 0) == WATCHED) {
    return;
  }
  name_unit(text, sizeof text, &unit);
  append(text, length(text), sizeof text, "\twrapper");
  name_record(file, sizeof file, folder);
  put_into(file, 'K', text, length(text));
  put_into(file, 'U', what, length(what));
}

#define LOOK_OUT(path, words, env)         \
  do {                                     \
    int kept_ = errno;                     \
    look_out(path, words, env);            \
    errno = kept_;                         \
  } while (0)

EXPORT int execve(const char *path, char *const words[], char *const env[]) {
  if (!mode) {
    LOOK_OUT(path, words, env);
    return REAL(execve)(path, words, env);
  }
  ENVIRONMENT(env, path, words)
  return REAL(execve)(path, words, made_);
}

EXPORT int execv(const char *path, char *const words[]) {
  if (!mode) {
    LOOK_OUT(path, words, environ);
    return REAL(execv)(path, words);
  }
  return execve(path, words, environ);
}

EXPORT int execvpe(const char *name, char *const words[], char *const env[]) {
  char place[LONG];
  if (!mode) {
    LOOK_OUT(searched(name, place), words, env);
    return REAL(execvpe)(name, words, env);
  }
  const char *path = searched(name, place);
  ENVIRONMENT(env, path, words)
  return REAL(execvpe)(path, words, made_);
}

EXPORT int execvp(const char *name, char *const words[]) {
  if (!mode) {
    char place[LONG];
    LOOK_OUT(searched(name, place), words, environ);
    return REAL(execvp)(name, words);
  }
  return execvpe(name, words, environ);
}

#define WORDS(first)                                                        \
  va_list list;                                                             \
  size_t count = 1;                                                         \
  va_start(list, first);                                                    \
  while (va_arg(list, char *)) count++;                                     \
  va_end(list);                                                             \
  char *words[count + 1];                                                   \
  words[0] = (char *)first;                                                 \
  va_start(list, first);                                                    \
  for (size_t i = 1; i <= count; i++) words[i] = va_arg(list, char *);

EXPORT int execl(const char *path, const char *first, ...) {
  WORDS(first)
  va_end(list);
  return execv(path, words);
}

EXPORT int execlp(const char *name, const char *first, ...) {
  WORDS(first)
  va_end(list);
  return execvp(name, words);
}

EXPORT int execle(const char *path, const char *first, ...) {
  WORDS(first)
  char *const *env = va_arg(list, char *const *);
  va_end(list);
  return execve(path, words, env);
}

EXPORT int fexecve(int fd, char *const words[], char *const env[]) {
  if (mode) say('U', "fexecve()");
  return REAL(fexecve)(fd, words, env == trap && trap ? (open_trap(), env) : env);
}

EXPORT int execveat(int fd, const char *path, char *const words[], char *const env[], int flags) {
  extern int execveat(int, const char *, char *const[], char *const[], int);
  if (mode) say('U', "execveat()");
  return REAL(execveat)(fd, path, words, env == trap && trap ? (open_trap(), env) : env, flags);
}

/* Files that a new program gets for its own are opened inside of libc, in the folder that it begins in. */
#define MOVED 64
static const void *moved[MOVED];
static unsigned moved_count;

static int is_moved(const posix_spawn_file_actions_t *actions) {
  for (unsigned i = 0; actions && i < MOVED && i < moved_count; i++)
    if (moved[i] == actions) return 1;
  return 0;
}

#define MOVES(name, parameters, arguments)                                               \
  extern int name parameters;                                                            \
  EXPORT int name parameters {                                                           \
    if (!REAL(name)) return ENOSYS;                                                      \
    if (mode) moved[__atomic_fetch_add(&moved_count, 1, __ATOMIC_RELAXED) % MOVED] = to; \
    return REAL(name) arguments;                                                         \
  }
MOVES(posix_spawn_file_actions_addchdir_np, (posix_spawn_file_actions_t *to, const char *path), (to, path))
MOVES(posix_spawn_file_actions_addfchdir_np, (posix_spawn_file_actions_t *to, int at), (to, at))

EXPORT int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions) {
  for (unsigned i = 0; i < MOVED; i++)
    if (moved[i] == actions) moved[i] = NULL;
  return REAL(posix_spawn_file_actions_init)(actions);
}

EXPORT int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions, int fd, const char *path, int flags, mode_t bits) {
  if (mode) {
    if (*path != '/' && is_moved(actions)) say('U', "posix_spawn_file_actions_addopen()");
    else opened(AT_FDCWD, path, flags, was_there(AT_FDCWD, path, flags), is_there(AT_FDCWD, path) || (flags & O_CREAT) ? 0 : (errno = ENOENT, -1));
  }
  return REAL(posix_spawn_file_actions_addopen)(actions, fd, path, flags, bits);
}

/* Which program that is, nobody can tell here. */
static void check_place(const char *path, const posix_spawn_file_actions_t *actions) {
  if (mode && path && *path != '/' && is_moved(actions)) say('U', "posix_spawn() in another folder");
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                       char *const words[], char *const env[]) {
  if (!mode) {
    LOOK_OUT(path, words, env);
    return REAL(posix_spawn)(pid, path, actions, attributes, words, env);
  }
  check_place(path, actions);
  ENVIRONMENT(env, path, words)
  return REAL(posix_spawn)(pid, path, actions, attributes, words, made_);
}

EXPORT int posix_spawnp(pid_t *pid, const char *name, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                        char *const words[], char *const env[]) {
  char place[LONG];
  if (!mode) {
    LOOK_OUT(searched(name, place), words, env);
    return REAL(posix_spawnp)(pid, name, actions, attributes, words, env);
  }
  const char *path = searched(name, place);
  check_place(path, actions);
  ENVIRONMENT(env, path, words)
  return REAL(posix_spawnp)(pid, path, actions, attributes, words, made_);
}

/* pidfd_spawn(3), of glibc 2.39 */
typedef int spawn_fd(int *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[], char *const[]);
extern spawn_fd pidfd_spawn, pidfd_spawnp;
EXPORT int pidfd_spawn(int *fd, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                       char *const words[], char *const env[]) {
  spawn_fd *real = REAL(pidfd_spawn);
  if (!real) return ENOSYS;
  if (!mode) {
    LOOK_OUT(path, words, env);
    return real(fd, path, actions, attributes, words, env);
  }
  ENVIRONMENT(env, path, words)
  return real(fd, path, actions, attributes, words, made_);
}

EXPORT int pidfd_spawnp(int *fd, const char *name, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                        char *const words[], char *const env[]) {
  spawn_fd *real = REAL(pidfd_spawnp);
  if (!real) return ENOSYS;
  char place[LONG];
  if (!mode) {
    LOOK_OUT(searched(name, place), words, env);
    return real(fd, name, actions, attributes, words, env);
  }
  const char *path = searched(name, place);
  ENVIRONMENT(env, path, words)
  return real(fd, path, actions, attributes, words, made_);
}

/* libc starts a shell with environ as it is: for that time ours are in it. */
#define SHELLS(type, name, parameters, arguments)                       \
  extern type name parameters;                                          \
  EXPORT type name parameters {                                         \
    if (!mode) return REAL(name) arguments;                             \
    char **before = environ;                                            \
    ENVIRONMENT(before, "/bin/sh", NULL)                                \
    environ = made_;                                                    \
    type result = REAL(name) arguments;                                 \
    environ = before;                                                   \
    rearm();                                                            \
    return result;                                                      \
  }
SHELLS(int, system, (const char *line), (line))
SHELLS(FILE *, popen, (const char *line, const char *how), (line, how))

/* ---- the beginning ---- */

EXPORT void *dlopen(const char *path, int flags) {
  void *found = REAL(dlopen)(path, flags);
  if (!mode || !found || !path) return found;
  int kept = errno;
  if (mode == RUSTC && macro_count < MACROS) {
    struct search wanted = {path, 0, 0};
    if (dl_iterate_phdr(find_loaded, &wanted) && wanted.to) {
      add_macro(&wanted);
      put('G', path);
    } else {
      put('U', path);
    }
  } else if (strchr(path, '/')) {
    note_at('O', AT_FDCWD, path);
  } else if (mode == SCRIPT && !starts(path, "libc.so") && !starts(path, "libgcc_s.so")) {
    struct link_map *map = NULL;
    if (dlinfo(found, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name) note_at('O', AT_FDCWD, map->l_name);
  }
  errno = kept;
  return found;
}

static int find_rustc(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size, (void)data;
  return info->dlpi_name && strstr(info->dlpi_name, "librustc_driver") != NULL;
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  uintptr_t wanted = (uintptr_t)data;
  uintptr_t from = UINTPTR_MAX, to = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *head = &info->dlpi_phdr[i];
    if (head->p_type != PT_LOAD) continue;
    uintptr_t begin = info->dlpi_addr + head->p_vaddr, end = begin + head->p_memsz;
    if (begin < from) from = begin;
    if (end > to) to = end;
  }
  if (wanted < from || wanted >= to) return 0;
  libc_from = from, libc_to = to;
  return 1;
}

/* What the loader has brought along before anything was noted: libraries of the program's own. */
static int note_loaded(struct dl_phdr_info *info, size_t size, void *data) {
  static const char *const folders[] = {"/usr/lib", "/lib"};
  (void)size;
  const char *path = info->dlpi_name;
  if (!path || *path != '/' || starts(path, (const char *)data)) return 0;
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
    if (starts(path, folders[i])) return 0;
  note_at('O', AT_FDCWD, path);
  return 0;
}

static void variable(char *to, size_t size, const char *name, const char *value) {
  size_t at = append(to, 0, size, name);
  append(to, append(to, at, size, "="), size, value);
}

/* Where a shell has its commands from. */
static void note_shell(int count, char **words, char **env) {
  char place[LONG], text[2 * LONG];
  const char *first = in(env, "BASH_ENV");
  /* bash begins with those of another file (bash(1), INVOCATION) */
  if (first && *first) put('s', "?");
  int i = 1;
  while (i < count && (words[i][0] == '-' || words[i][0] == '+') && words[i][1]) {
    int is_long = words[i][0] == '-' && words[i][1] == '-';
    if (words[i][0] == '-' && !is_long && strchr(words[i], 'c')) {
      size_t n = i + 1 < count ? length(words[i + 1]) : 0;
      if (!n || n + 2 >= sizeof text) break;
      text[0] = 'c';
      append(text, 1, sizeof text, words[i + 1]);
      put('s', text);
      return;
    }
    /* those have a value of their own */
    if (is_long || strchr(words[i], 'o') || strchr(words[i], 'O') || strchr(words[i], 's') || strchr(words[i], 'i') || strchr(words[i], 'l')) {
      put('s', "?");
      return;
    }
    i++;
  }
  if (i >= count || words[i][0] == '-' || !absolute(AT_FDCWD, words[i], place)) {
    put('s', "?");
    return;
  }
  text[0] = 'f';
  append(text, 1, sizeof text, place);
  put('s', text);
}

static int is_shell(void) {
  static const char *const names[] = {"dash", "bash", "sh", "busybox", "ksh", "mksh", "zsh"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(program, names[i])) return 1;
  return 0;
}

static int note_driver(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size, (void)data;
  if (!info->dlpi_name || !strstr(info->dlpi_name, "librustc_driver")) return 0;
  put('d', info->dlpi_name);
  return 1;
}

__attribute__((constructor)) static void begin(int count, char **words, char **env) {
  const char *folder = in(env, "CARGOSHIP_WATCH"), *unit = in(env, "CARGOSHIP_WATCH_UNIT");
  const char *prefixes = in(env, "CARGOSHIP_WATCH_SKIP"), *preload = in(env, "LD_PRELOAD");
  if (!folder || *folder != '/' || !preload) return;
  const char *around = in(env, "CARGOSHIP_WATCH_WRAPPED"), *links = in(env, "CARGOSHIP_WATCH_LINKS");
  struct compilation of;
  int wanted = PASSIVE, compiles = is_compilation(&of, words), has_driver = compiles && dl_iterate_phdr(find_rustc, NULL);
  int wraps = 0, below = 0;
  long n = K4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", whole_program, sizeof whole_program - 1);
  whole_program[n > 0 ? n : 0] = 0;
  append(program, 0, sizeof program, last_of(whole_program));
  /* a script is a word of its shell's */
  int hands_on = compiles && is_shell() && prefixes && is_own_rustc(prefixes, words[1]);
  if (!unit && links) {
    wanted = SCRIPT;
  } else if (unit && around && has_driver && starts(around, of.crate) && around[length(of.crate)] == '\t') {
    /* what a wrapper is around; whatever else it compiles is its own business */
    wanted = RUSTC, below = 1, unit = NULL;
  } else if (unit) {
    wanted = around && compiles && (hands_on || is_transparent(program) || is_proxy(whole_program)) ? PASSIVE : SCRIPT;
  } else if (compiles && is_of_cargo(&of, env)) {
    wanted = !has_driver ? SCRIPT : in(env, "CARGO_PKG_NAME") ? RUSTC : PASSIVE;
    if (!has_driver) {
      wraps = 1;
      if (hands_on || is_transparent(program) || is_proxy(whole_program)) wanted = PASSIVE;
    }
  } else if (in(env, "OUT_DIR") && in(env, "NUM_JOBS") && in(env, "HOST") && in(env, "CARGO_MANIFEST_DIR") && !in(env, "CARGO_CRATE_NAME")) {
    wanted = SCRIPT;
  }
  if (!wanted) return;
  quiet = !below && in(env, "CARGOSHIP_WATCH_QUIET") != NULL;
  bare = in(env, "CARGOSHIP_WATCH_BARE") != NULL;
  if (prefixes) append(skip, 0, sizeof skip, prefixes);
  if (in(env, "CARGOSHIP_WATCH_OF_QUIET")) append(of_quiet, 0, sizeof of_quiet, in(env, "CARGOSHIP_WATCH_OF_QUIET"));
  if (in(env, "CARGOSHIP_WATCH_BUILD")) append(build, 0, sizeof build, in(env, "CARGOSHIP_WATCH_BUILD"));
  if (unit) append(record, 0, sizeof record, unit);
  else name_record(record, sizeof record, folder);
  if (!unit && links) append(wrapped, 0, sizeof wrapped, links);
  else if (wraps || (wanted == RUSTC && !below)) name_unit(wrapped, sizeof wrapped, &of);
  else if (around) append(wrapped, 0, sizeof wrapped, around);
  variable(own_unit, sizeof own_unit, "CARGOSHIP_WATCH_UNIT", record);
  variable(own_folder, sizeof own_folder, "CARGOSHIP_WATCH", folder);
  variable(own_skip, sizeof own_skip, "CARGOSHIP_WATCH_SKIP", skip);
  variable(own_of_quiet, sizeof own_of_quiet, "CARGOSHIP_WATCH_OF_QUIET", of_quiet);
  variable(own_preload, sizeof own_preload, "LD_PRELOAD", preload);
  variable(own_wrapped, sizeof own_wrapped, "CARGOSHIP_WATCH_WRAPPED", wrapped);
  variable(own_links, sizeof own_links, "CARGOSHIP_WATCH_LINKS", wrapped);
  variable(own_build, sizeof own_build, "CARGOSHIP_WATCH_BUILD", build);
  dl_iterate_phdr(find_libc, (void *)REAL(execve));
  if (wraps) {
    char text[2 * LONG + 16];
    append(text, append(text, 0, sizeof text, wrapped), sizeof text, "\twrapper");
    put('K', text);
    put('w', whole_program);
    for (int i = 1; i < count && i < 4; i++)
      if (strchr(words[i], '/') && is_script(words[i]) && absolute(AT_FDCWD, words[i], text)) put('w', text);
  } else if (!unit && links) {
    char text[2 * LONG + 16];
    append(text, append(text, 0, sizeof text, wrapped), sizeof text, "\tlinker");
    put('K', text);
  } else if (below) {
    put('K', wrapped);
    dl_iterate_phdr(note_driver, NULL);
  } else if (wanted == RUSTC) {
    put('K', wrapped);
  } else if (!unit) {
    put('B', in(env, "OUT_DIR"));
  }
  mode = wanted;
  probes = quiet && wanted == SCRIPT && !strcmp(program, "rustc") && !is_proxy(whole_program);
  if (wanted == SCRIPT && *wrapped && !quiet && is_shell()) note_shell(count, words, env);
  Dl_info own;
  if (wanted == RUSTC && strcmp(program, "rustc") != 0) {
    /* Clippy, or another one that is linked with the compiler, and reads what it likes */
    struct search itself = {"", 0, 0};
    if (dl_iterate_phdr(find_loaded, &itself) && itself.to) add_macro(&itself);
    note_at('O', AT_FDCWD, whole_program);
    if (dladdr(record, &own) && own.dli_fname) dl_iterate_phdr(note_loaded, (void *)own.dli_fname);
  }
  if (wanted == SCRIPT && !quiet && dladdr(record, &own) && own.dli_fname) dl_iterate_phdr(note_loaded, (void *)own.dli_fname);
  if (wanted == SCRIPT && !quiet) begin_trap();
  size_t size;
  char **made = wanted == RUSTC ? without_ours(&size) : NULL;
  if (made) environ = made;
  if (made || trap) wipe(env);
}
