# Parts of Zig's runtime that few programs need, made when a link asks for one and kept for the next.
# runtime <file>: sets runtime_dir, a folder that has the file.
runtime() {
  runtime_dir=${CARGOSHIP_RUNTIME:?}/$triple
  [ ! -e "$runtime_dir/$1" ] || return 0
  mkdir -p "$runtime_dir"
  work=$(mktemp -d "$runtime_dir/.making-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  note "making $1 for $triple (once, kept in the cache)"
  case $1 in
  libcompiler_rt.a)
    "$CARGOSHIP_ZIG" build-lib "${CARGOSHIP_ZIG_LIB:?}/compiler_rt.zig" -target "$zig_target" ${zig_cpu:+-mcpu="$zig_cpu"} \
      -O ReleaseSmall -fPIC -fstrip -fno-builtin -femit-bin="$work/libcompiler_rt.a" || return 1
    ;;
  libc++.a)
    # Linked dynamically, Zig makes its C++ library without making its C library first.
    printf '#include <string>\nint main() { return 0; }\n' >"$work/main.cpp"
    ZIG_GLOBAL_CACHE_DIR=$work/cache ZIG_LOCAL_CACHE_DIR=$work/cache "$CARGOSHIP_ZIG" c++ -target "$zig_target" \
      ${zig_cpu:+-mcpu="$zig_cpu"} -dynamic -O2 "$work/main.cpp" -o "$work/main" || return 1
    for library in libc++abi.a libc++.a; do
      find "$work/cache" -name "$library" -exec mv -f {} "$work/$library" \;
      mv -f "$work/$library" "$runtime_dir/$library" || return 1
    done
    ;;
  esac
  [ ! -e "$work/$1" ] || mv -f "$work/$1" "$runtime_dir/$1"
}
note() {
  [ -z "${CARGOSHIP_NOTES-}" ] || printf '%s\n' "$1" >>"$CARGOSHIP_NOTES"
}
