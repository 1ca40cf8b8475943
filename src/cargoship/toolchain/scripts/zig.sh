# Zig, as cargo-zigbuild starts it. What Zig compiles of itself for a target (stubs of glibc, musl, libc++, the compiler's
# runtime) has a folder of its own for each target, and so can go from machine to machine. What it compiles of a project
# it keeps by flags and by the files that were read then: not by headers that come to stand before these, nor by what the
# assembler reads. So that is kept for one run of cargo alone, or, where nobody says which that is, where Zig would keep it.
previous=
target=
compiles=
links=
sources=
others=
for arg in "$@"; do
  case $arg in
  -c | -S | -E) compiles=${compiles:-yes} ;;
  -M*) compiles=listed ;;
  -o) links=${links:-yes} ;;
  -shared | -r | -x* | @* | -fsyntax-only | *unresolved-symbols* | *undefs*) links=no ;;
  *.c | *.cc | *.cpp | *.cxx | *.C | *.s | *.S | *.m | *.mm)
    links=${links:-yes}
    sources=$sources.
    source=$arg
    ;;
  -* | c++) ;;
  # what is neither a flag nor the value of one of these: an object, a library, or the value of another flag
  *) case $previous in -o | -target) ;; *) others=yes ;; esac ;;
  esac
  [ "$previous" != -target ] || target=$arg
  previous=$arg
done
case $target in
'' | .* | *[!A-Za-z0-9._-]*) ;;
*)
  export ZIG_LOCAL_CACHE_DIR="${CARGOSHIP_OBJECTS:-${ZIG_LOCAL_CACHE_DIR:-$objects}}"
  export ZIG_GLOBAL_CACHE_DIR="$runtime/$target"
  ;;
esac
# As in rustc's own shim: no folder of this machine in what C says of its files (__FILE__, debug information).
if [ -n "$compiles" ] && [ -n "$target" ] && [ -n "${CARGOSHIP_PATHS-}" ]; then
  subcommand=$1
  shift
  [ -z "${OUT_DIR-}" ] || set -- "-ffile-prefix-map=$OUT_DIR=/cargo/out" "$@"
  IFS='
'
  set -f
  for pair in $CARGOSHIP_PATHS; do set -- "-ffile-prefix-map=$pair" "$@"; done
  set +f
  unset IFS
  set -- "$subcommand" "$@"
fi
# Zig keeps objects by their flags, and not by the time that __DATE__ is: a folder that no file lies in tells it of that.
case ${1-}:$compiles$links in
cc: | c++:) ;;
cc:* | c++:*)
  if [ -n "${SOURCE_DATE_EPOCH-}" ]; then
    subcommand=$1
    shift
    set -- "$subcommand" "-ffile-prefix-map=/cargoship/SOURCE_DATE_EPOCH=/$SOURCE_DATE_EPOCH" "$@"
  fi
  ;;
esac
# Zig cannot be watched: where the cache asks what a build script reads, the compiler says which files it has read.
if [ -n "${CARGOSHIP_WATCH_UNIT-}" ] && [ "$compiles" = yes ]; then
  set -- "$@" -MD -MF "${CARGOSHIP_WATCH_UNIT}-$$.list"
fi
# compile FLAG...: the one source of a program, into $work; Zig would put objects and libraries into it, too.
compile() {
  for arg in "$@"; do
    shift
    case $previous:$arg in
    -o:* | *:-o | *:-l* | *:-L* | *:-Wl,* | *:"$source") ;;
    *) set -- "$@" "$arg" ;;
    esac
    previous=$arg
  done
  "$0" c++ "$@" -c "$source" -o "$work/source.o"
}
# A program that is linked as C++, as CMake links empty ones in each of its projects: Zig would compile its library of C++
# first, a minute, where it is not kept. Where nothing of that library is missed, the program is the same.
if [ "${1-}" = c++ ] && [ "$links" = yes ] && [ -z "$compiles" ] && case $sources:$others in :* | .:) ;; *) false ;; esac then
  shift
  if [ -n "$sources" ]; then
    # with C++'s headers: without them a source may be another program
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # a shell that is ended by a signal has no EXIT
    trap 'exit 1' HUP INT TERM
    previous=
    compile "$@" || exit
    for arg in "$@"; do
      shift
      [ "$arg" != "$source" ] || arg=$work/source.o
      set -- "$@" "$arg"
    done
  fi
  if said=$("$zig" cc "$@" 2>&1); then
    [ -z "$said" ] || printf '%s\n' "$said" >&2
    exit 0
  fi
  "$zig" c++ "$@"
  exit
fi
exec "$zig" "$@"
