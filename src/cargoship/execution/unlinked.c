/* Stands in for a linker where a program's code is generated, and keeps what the real one is to be given elsewhere.

   It is started as ROOT/.cargoship-linker/NAME, and writes into ROOT/.cargoship-linked, which is there:

     words  its words after the first, each ended by a zero byte
     files  the files among them that rustc has just made, likewise: objects, and what is for a linker alone
     0 1 2  their contents, in that order

   What it was asked for it leaves empty. No C library, so that nothing that is preloaded into rustc looks at it. */

#include "no_libc.h"

enum { HERE = -100, PATH_BYTES = 8192, ROOM = 1 << 16, MODE = 0644 };
enum { O_RDONLY = 0, O_WRONLY = 1, O_CREAT = 0100, O_TRUNC = 01000 };

static char buffer[ROOM], path[PATH_BYTES], root[PATH_BYTES];
static int number;

static int open_file(const char *name, int how) { return (int)call4(OPENAT, HERE, (long)name, how, MODE); }

/* A file of ROOT/.cargoship-linked, made anew. */
static int kept(const char *name) {
  static char place[PATH_BYTES + 64];
  int n = 0;
  for (const char *from = root; *from; from++) place[n++] = *from;
  for (const char *from = "/.cargoship-linked/"; *from; from++) place[n++] = *from;
  while (*name) place[n++] = *name++;
  place[n] = 0;
  return open_file(place, O_WRONLY | O_CREAT | O_TRUNC);
}

/* 1 where a file was copied, 0 where there is none, and -1 where it could not be. */
static int copied(const char *from, int to_files) {
  char name[16];
  int in = open_file(from, O_RDONLY), out, digits = 0, well = 1;
  long n;
  if (in < 0) return 0;
  n = call(READ, in, (long)buffer, ROOM);
  if (n < 0) {
    /* a folder */
    call(CLOSE, in, 0, 0);
    return 0;
  }
  for (int rest = number; digits == 0 || rest; rest /= 10) name[digits++] = (char)('0' + rest % 10);
  for (int a = 0, b = digits - 1; a < b; a++, b--) {
    char other = name[a];
    name[a] = name[b];
    name[b] = other;
  }
  name[digits] = 0;
  out = kept(name);
  if (out < 0) return -1;
  for (; n > 0 && well; n = call(READ, in, (long)buffer, ROOM)) well = written(out, buffer, (word)n);
  call(CLOSE, in, 0, 0);
  if (call(CLOSE, out, 0, 0) < 0 || n < 0 || !well) return -1;
  number++;
  return written(to_files, from, (word)length(from) + 1) ? 1 : -1;
}

/* Whether rustc has made a file: it is an object, or in a folder for a linker alone, which older ones have elsewhere. */
static int is_made(const char *rest, int size) {
  if (begins(rest, "/.cargoship-temporary/")) return 1;
  if (!begins(rest, "/.cargoship-files/")) return 0;
  for (int i = 0; i < size; i++)
    if (begins(rest + i, "/rustc")) return 1;
  return size > 2 && rest[size - 2] == '.' && rest[size - 1] == 'o';
}

/* Each path below ROOT in a word is a file that may be copied. It is the word, or ends with it, or with a comma. */
static int looked_through(const char *text, int to_files) {
  int before = length(root), is_word = begins(text, root) && text[before] == '/';
  for (; *text; text++) {
    int n = before;
    if (!begins(text, root) || text[before] != '/') continue;
    while (text[n] && (is_word || text[n] != ',')) n++;
    if (n >= PATH_BYTES) return 0;
    for (int i = 0; i < n; i++) path[i] = text[i];
    path[n] = 0;
    if (is_made(path + before, n - before) && copied(path, to_files) < 0) return 0;
    text += n - 1;
  }
  return 1;
}

static int all_kept(int argc, char **argv) {
  int slashes = 0, n = length(argv[0]), words, files;
  /* without the last two parts */
  while (n && slashes < 2) slashes += argv[0][--n] == '/';
  if (slashes < 2 || n >= PATH_BYTES) return 0;
  for (int i = 0; i < n; i++) root[i] = argv[0][i];
  root[n] = 0;
  words = kept("words");
  files = kept("files");
  if (words < 0 || files < 0) return 0;
  for (int i = 1; i < argc; i++) {
    if (!written(words, argv[i], (word)length(argv[i]) + 1) || !looked_through(argv[i], files)) return 0;
    if (i + 1 < argc && argv[i][0] == '-' && argv[i][1] == 'o' && !argv[i][2]) {
      int made = open_file(argv[i + 1], O_WRONLY | O_CREAT | O_TRUNC);
      if (made < 0 || call(CLOSE, made, 0, 0) < 0) return 0;
    }
  }
  return call(CLOSE, words, 0, 0) >= 0 && call(CLOSE, files, 0, 0) >= 0;
}

__attribute__((used, noreturn)) void begin(word *stack) {
  int code = all_kept((int)stack[0], (char **)(stack + 1)) ? 0 : 1;
  for (;;) call(EXIT, code, 0, 0);
}
