# Stands in for rustc: a target whose standard library is not rustc's own is given the sysroot that has it.
# A flag in RUSTFLAGS would do the same, but cargo takes flags from one source only (a user's own RUSTFLAGS
# would be lost, or ours), and a path in a flag would enter cargo's hashes.
previous=
target=
for arg in "$@"; do
  case $previous in --target) target=$arg ;; esac
  previous=$arg
done
case " ${CARGOSHIP_SYSROOT_TARGETS-} " in
*" ${target:-none} "*) set -- "$@" --sysroot "${CARGOSHIP_SYSROOT:?}" ;;
esac
# Behind the user's own folders: libraries of the target's system, where there are some.
if [ -n "${CARGOSHIP_LIBRARIES-}" ] && [ -d "$CARGOSHIP_LIBRARIES/${target:-none}" ]; then
  set -- "$@" -L "native=$CARGOSHIP_LIBRARIES/$target"
fi
# First, so that the user's own -C target-feature still has the last word.
case " ${CARGOSHIP_STATIC_TARGETS-} " in
*" ${target:-none} "*) set -- -C target-feature=+crt-static "$@" ;;
esac
exec "${CARGOSHIP_RUSTC:?}" "$@"
