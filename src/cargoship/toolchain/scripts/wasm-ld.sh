# The linker of WebAssembly: Zig's own lld. rustc speaks to it as to an lld of several kinds, and names the kind first.
[ "${1-}" != -flavor ] || shift 2
exec "${CARGOSHIP_ZIG:?}" wasm-ld "$@"
