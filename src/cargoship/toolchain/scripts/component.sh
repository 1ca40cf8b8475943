# The linker of components: wasm-component-ld, which has Zig's lld link a module, and makes a component of that. The
# interface of WASI 0.1, which Zig's wasi-libc is for, it translates into that of 0.2.
exec "${CARGOSHIP_COMPONENT_LINKER:?}" "$@" "--wasm-ld-path=$0-module"
