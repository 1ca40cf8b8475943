# Zig, as cargo-zigbuild starts it. What Zig compiles of itself for a target (stubs of glibc, musl, libc++, the compiler's
# runtime) has a folder of its own for each target, and so can go from machine to machine; what is compiled of a
# project is kept where Zig would keep it anyhow.
previous=
target=
for arg in "$@"; do
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
exec "$zig" "$@"
