/* Stands in for rustc: asks the cargoship that has started cargo, over a socket, whether a crate is compiled here or has
   been compiled elsewhere.

   No C library, so that it starts at once, and nothing that is preloaded into compilers has anything to do with it.
   It sends numbers of words and of variables, and then its folder, the words and the variables, each after its length
   (32 bits, as the machine has them). What comes back is frames of a kind, a length and bytes:

     L   compile here: rustc takes the place of this program, and the socket stays open until it has ended
     1 2 to be written to standard output, or standard error
     X   done: the length is the exit code

   Where nobody answers, rustc is started as if this program were not there. */

#include "no_libc.h"

enum { AF_UNIX = 1, SOCK_STREAM = 1, PATH_BYTES = 108, ROOM = 1 << 16 };

static char buffer[ROOM];
static word held;
static char folder[4096];

static int flushed(int to) {
  int well = written(to, buffer, held);
  held = 0;
  return well;
}

static int put(int to, const char *data, word size) {
  while (size) {
    word part = ROOM - held < size ? ROOM - held : size;
    for (word n = 0; n < part; n++) buffer[held + n] = data[n];
    held += part;
    data += part;
    size -= part;
    if (held == ROOM && !flushed(to)) return 0;
  }
  return 1;
}

static int put_number(int to, u32 number) { return put(to, (const char *)&number, sizeof number); }

static int put_text(int to, const char *text) {
  int size = length(text);
  return put_number(to, (u32)size) && put(to, text, (word)size);
}

static int get(int from, char *data, word size) {
  while (size) {
    long done = call(READ, from, (long)data, (long)size);
    if (done == INTERRUPTED) continue;
    if (done <= 0) return 0;
    data += done;
    size -= (word)done;
  }
  return 1;
}

static int asked(const char *place, int argc, char **argv, char **env) {
  struct {
    unsigned short family;
    char path[PATH_BYTES];
  } address = {AF_UNIX, {0}};
  int size = length(place), count = 0, to;
  if (size >= PATH_BYTES || call(GETCWD, (long)folder, sizeof folder, 0) <= 0) return -1;
  for (int n = 0; n < size; n++) address.path[n] = place[n];
  to = (int)call(SOCKET, AF_UNIX, SOCK_STREAM, 0);
  if (to < 0 || call(CONNECT, to, (long)&address, (long)sizeof address) < 0) return -1;
  while (env[count]) count++;
  if (!put_number(to, (u32)argc) || !put_number(to, (u32)count) || !put_text(to, folder)) return -1;
  for (int n = 0; n < argc; n++)
    if (!put_text(to, argv[n])) return -1;
  for (int n = 0; n < count; n++)
    if (!put_text(to, env[n])) return -1;
  return flushed(to) ? to : -1;
}

/* The exit code, or -1 where rustc is to be started. */
static int answered(int from) {
  char kind;
  u32 size;
  while (get(from, &kind, 1) && get(from, (char *)&size, sizeof size)) {
    if (kind == 'X') return (int)(size & 255);
    if (kind == 'L') return -1;
    while (size) {
      u32 part = size < ROOM ? size : ROOM;
      if (!get(from, buffer, part)) return -1;
      written(kind == '1' ? 1 : 2, buffer, part);
      size -= part;
    }
  }
  return -1;
}

__attribute__((used, noreturn)) void begin(word *stack) {
  int argc = (int)stack[0], compiles = 0, code = -1;
  char **argv = (char **)(stack + 1), **env = argv + argc + 1;
  const char *rustc = 0, *place = 0;
  for (char **each = env; *each; each++) {
    if (begins(*each, "CARGOSHIP_REMOTE_RUSTC=")) rustc = *each + 23;
    if (begins(*each, "CARGOSHIP_REMOTE_SOCKET=")) place = *each + 24;
  }
  for (int n = 1; n < argc; n++) compiles |= begins(argv[n], "--out-dir");
  if (compiles && place) {
    int to = asked(place, argc, argv, env);
    if (to >= 0) code = answered(to);
  }
  if (code < 0) {
    if (rustc) {
      argv[0] = (char *)rustc;
      call(EXECVE, (long)rustc, (long)argv, (long)env);
    }
    code = 127;
  }
  for (;;) call(EXIT, code, 0, 0);
}
