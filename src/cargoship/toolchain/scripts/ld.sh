# The linker of one target: Zig's own lld, given what rustc says to a plain linker. What crates say as if to a C
# compiler (-Wl,... and the like) is translated, and libraries that musl has inside its libc are dropped.
count=$#
code=
cxx=
allocator=
own=
while [ "$count" -gt 0 ]; do
  arg=$1
  shift
  count=$((count - 1))
  case $arg in
  -Wl,*)
    IFS=,
    set -f
    for part in ${arg#-Wl,}; do set -- "$@" "$part"; done
    set +f
    unset IFS
    ;;
  -lstdc++ | -lc++ | -lc++abi | -lsupc++) cxx=yes ;;
  --c++-if-missed) cxx=${cxx:-missed} ;;
  -lgcc_s | -lgcc_eh) set -- "$@" -lunwind ;;
  -lgcc | -lm | -lpthread | -ldl | -lrt | -lutil | -lresolv | -lcrypt | -lxnet) ;;
  -rdynamic) set -- "$@" --export-dynamic ;;
  "${CARGOSHIP_ALLOCATORS:-none}"-*/mimalloc.o) allocator=$arg ;;
  "${CARGOSHIP_SYSROOT:-none}/lib/rustlib/$triple/lib/self-contained")
    own=$arg
    set -- "$@" "$arg"
    ;;
  -Xlinker | -pthread | -fuse-ld=* | -m32 | -m64 | -nostartfiles | -nodefaultlibs | -static-libgcc | -static-libstdc++) ;;
  *) set -- "$@" "$arg" ;;
  esac
done
# What is named by its whole path is linked, whichever it is: of glibc's symbols those would be taken that musl lacks.
for arg; do
  case $arg in
  */libc.a) grep -q __libc_setup_tls "$arg" || continue ;;
  */libm-[0-9]*.a | */libmvec.a) ;;
  *) continue ;;
  esac
  echo "ld.lld: error: $arg is of glibc, and the program is for musl" >&2
  exit 1
done
# The target's own C library and unwinder, whatever else a folder has that a build script names: rustc puts those folders
# first, and /usr/lib/x86_64-linux-gnu has glibc's, with which a program for musl may be linked, and be wrong.
[ -z "$own" ] || set -- "-L$own" "$@"
# First: rustc has a user's objects behind the libraries, and a linker that has found malloc in musl by then takes both.
[ -z "$allocator" ] || set -- "$allocator" "$@"
# link ARGUMENT...: sets code, and errors to what lld prints.
link() {
  errors=$("${CARGOSHIP_ZIG:?}" ld.lld "$@" 2>&1)
  code=$?
}
[ "$cxx" = yes ] || link "$@"
# CMake links an empty program as C++ in each of its projects: the library of C++, which takes a minute to make, is
# missed by few of the programs that build scripts link.
case $cxx:$code:$errors in
missed:0:*) ;;
missed:*"undefined symbol: "*) cxx=yes ;;
esac
if [ "$cxx" = yes ]; then
  runtime libc++.a || exit
  set -- "$@" "-L$runtime_dir" "-L${CARGOSHIP_SYSROOT:?}/lib/rustlib/$triple/lib/self-contained" -lc++ -lc++abi -lunwind -lc
  link "$@"
fi
# Rust's compiler_builtins has nearly all that compiled C asks of a compiler's runtime; the rest is in Zig's.
case $code:$errors in
0:*) ;;
*"undefined symbol: __"*)
  runtime libcompiler_rt.a || exit
  link "$@" "$runtime_dir/libcompiler_rt.a"
  ;;
esac
[ -z "$errors" ] || printf '%s\n' "$errors" >&2
exit "$code"
