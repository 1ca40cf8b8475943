/* How a component's host gets memory inside of it for what it hands over (component model, "Canonical ABI"). A wasi-libc
   for WASI 0.2 has it; Zig's is for 0.1. */
#include <stdlib.h>

__attribute__((__weak__, __export_name__("cabi_realloc"))) void *
cabi_realloc(void *old, size_t old_bytes, size_t alignment, size_t bytes) {
  void *made;
  (void)old_bytes;
  /* an address that nothing is read from or written to, but aligned */
  if (bytes == 0) return (void *)alignment;
  made = realloc(old, bytes);
  if (made == NULL) abort();
  return made;
}
