# The C or C++ compiler of one target: Zig's clang, started directly. Flags that name a target another way are
# dropped, for Zig has names of its own for processors and targets.
count=$#
program=$#
skip=
compiles=
verbose=
named=
while [ "$count" -gt 0 ]; do
  arg=$1
  shift
  count=$((count - 1))
  if [ -n "$skip" ]; then
    skip=
    continue
  fi
  case $arg in
  -c | -S | -E) compiles=${compiles:-yes} ;;
  -M*) compiles=listed ;;
  esac
  case $arg in
  --target=* | -m64 | -m32) continue ;;
  -target)
    skip=yes
    continue
    ;;
  -Wp,-MD* | -Wp,-MMD* | -Wp,-MT*) ;;
  -Wp,*) continue ;;
  -march=*)
    case $march:$arg in
    drop:*) continue ;;
    riscv:*) arg=-march=generic_rv64 ;;
    aarch64:-march=armv*+*)
      case $arg in *+crypto*) set -- "$@" -Xassembler "$arg" ;; esac
      arg=-mcpu=generic+${arg#*+}
      ;;
    aarch64:-march=armv*) arg=-mcpu=generic ;;
    esac
    ;;
  -o) named=yes ;;
  -v) verbose=yes ;;
  -c | -S | -E | -M | -MM | -fsyntax-only | -V | '-?' | -help | --help | --version | -dump* | -print-* | --print-* | -shared | -r) program=0 ;;
  esac
  set -- "$@" "$arg"
done
# Alone it asks for the version; CMake links its first program with it.
[ -z "$verbose" ] || [ -n "$named" ] || program=0
# As in rustc's own shim: no folder of this machine in what C says of its files (__FILE__, debug information).
if [ -n "$compiles" ] && [ -n "${CARGOSHIP_PATHS-}" ]; then
  [ -z "${OUT_DIR-}" ] || set -- "-ffile-prefix-map=$OUT_DIR=/cargo/out" "$@"
  IFS='
'
  set -f
  for pair in $CARGOSHIP_PATHS; do set -- "-ffile-prefix-map=$pair" "$@"; done
  set +f
  unset IFS
fi
# Zig keeps objects by their flags, and not by the time that __DATE__ is: a folder that no file lies in tells it of that.
if [ -n "$compiles$named" ] && [ -n "${SOURCE_DATE_EPOCH-}" ]; then
  set -- "-ffile-prefix-map=/cargoship/SOURCE_DATE_EPOCH=/$SOURCE_DATE_EPOCH" "$@"
fi
# Zig keeps what it has compiled, by flags and by the files that were read then: not by headers that come to stand before
# these, nor by what the assembler reads. So what it compiles of a project is kept for one run of cargo alone.
[ -z "${CARGOSHIP_OBJECTS-}" ] || export ZIG_LOCAL_CACHE_DIR="$CARGOSHIP_OBJECTS"
# Zig cannot be watched: where the cache asks what a build script reads, the compiler says which files it has read.
if [ -n "${CARGOSHIP_WATCH_UNIT-}" ] && [ "$compiles" = yes ]; then
  set -- "$@" -MD -MF "${CARGOSHIP_WATCH_UNIT}-$$.list"
fi
# A whole program, as configure scripts make them by the dozen: Zig would first compile its C library, where the
# target's own start files and C library are at hand.
if [ "$program" -gt 0 ] && [ -e "${CARGOSHIP_SYSROOT:?}/lib/rustlib/$triple/lib/self-contained/crt1.o" ]; then
  exec "${CARGOSHIP_PYTHON:?}" -I -S "${CARGOSHIP_DRIVER:?}" "$triple" "$language" "$zig_target" "$zig_cpu" "$@"
fi
exec "${CARGOSHIP_ZIG:?}" "$language" -target "$zig_target" ${zig_cpu:+-mcpu="$zig_cpu"} -fno-sanitize=all "$@"
