# Stands in for rustc: a target whose standard library is not rustc's own is given the sysroot that has it.
# A flag in RUSTFLAGS would do the same, but cargo takes flags from one source only (a user's own RUSTFLAGS
# would be lost, or ours), and a path in a flag would enter cargo's hashes.
previous=
target=
bin=
name=
folder=
suffix=
for arg in "$@"; do
  case $previous in
  --target) target=$arg ;;
  --crate-type) [ "$arg" != bin ] || bin=yes ;;
  --crate-name) name=$arg ;;
  --out-dir) folder=$arg ;;
  -C) case $arg in extra-filename=*) suffix=${arg#*=} ;; esac ;;
  esac
  previous=$arg
done
case " ${CARGOSHIP_SYSROOT_TARGETS-} " in
*" ${target:-none} "*) set -- "$@" --sysroot "${CARGOSHIP_SYSROOT:?}" ;;
esac
# What is compiled for a target names no folder of this machine. First, for of several that fit rustc takes the last
# one: a --remap-path-prefix of the user's own counts. What a build script has written lies where cargo keeps it.
if [ -n "$target" ] && [ -n "${CARGOSHIP_PATHS-}" ]; then
  [ -z "${OUT_DIR-}" ] || set -- "--remap-path-prefix=$OUT_DIR=/cargo/out" "$@"
  IFS='
'
  set -f
  for pair in $CARGOSHIP_PATHS; do set -- "--remap-path-prefix=$pair" "$@"; done
  set +f
  unset IFS
fi
# Behind the user's own folders: libraries of the target's system, where there are some.
if [ -n "${CARGOSHIP_LIBRARIES-}" ] && [ -d "$CARGOSHIP_LIBRARIES/${target:-none}" ]; then
  set -- "$@" -L "native=$CARGOSHIP_LIBRARIES/$target"
fi
# First, so that the user's own -C target-feature still has the last word.
case " ${CARGOSHIP_STATIC_TARGETS-} " in
*" ${target:-none} "*) set -- -C target-feature=+crt-static "$@" ;;
esac
# A static program gets the allocator that was asked for. cargo knows nothing of that: it comes through the unit's
# dep-info, as if the crate had looked at the variable, so that another choice links again.
case " ${CARGOSHIP_STATIC_TARGETS-} " in
*" ${target:-none} "*)
  if [ -n "$bin" ] && [ -n "$folder" ]; then
    if [ -n "${CARGOSHIP_LINKED_ALLOCATOR-}" ]; then
      set -- "$@" -C "link-arg=${CARGOSHIP_ALLOCATORS:?}-$target/mimalloc.o"
    fi
    "${CARGOSHIP_RUSTC:?}" "$@" || exit
    if [ -f "$folder/$name$suffix.d" ]; then
      printf '\n# env-dep:CARGOSHIP_LINKED_ALLOCATOR%s\n' \
        "${CARGOSHIP_LINKED_ALLOCATOR:+=$CARGOSHIP_LINKED_ALLOCATOR}" >>"$folder/$name$suffix.d"
    fi
    exit 0
  fi
  ;;
esac
exec "${CARGOSHIP_RUSTC:?}" "$@"
