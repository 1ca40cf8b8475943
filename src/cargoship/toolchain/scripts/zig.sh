# Zig, as cargo-zigbuild starts it. What Zig compiles of itself for a target (stubs of glibc, musl, libc++, the compiler's
# runtime) has a folder of its own for each target, and so can go from machine to machine; what is compiled of a
# project is kept where Zig would keep it anyhow.
previous=
target=
compiles=
for arg in "$@"; do
  case $arg in
  -c | -S | -E) compiles=${compiles:-yes} ;;
  -M*) compiles=listed ;;
  esac
  [ "$previous" != -target ] || target=$arg
  previous=$arg
done
case $target in
'' | .* | *[!A-Za-z0-9._-]*) ;;
*)
  export ZIG_LOCAL_CACHE_DIR="${ZIG_LOCAL_CACHE_DIR:-$objects}"
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
# Zig cannot be watched: where the cache asks what a build script reads, the compiler says which files it has read.
if [ -n "${CARGOSHIP_WATCH_UNIT-}" ] && [ "$compiles" = yes ]; then
  set -- "$@" -MD -MF "${CARGOSHIP_WATCH_UNIT}-$$.list"
fi
exec "$zig" "$@"
