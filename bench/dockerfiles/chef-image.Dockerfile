# Rust with cargo-chef in it, not measured, as cargo-chef's own image has it; cross-compiled, for emulated it would take long.
FROM --platform=$BUILDPLATFORM cargoship-bench/rust AS compiled
RUN python3 -m venv /opt/zig && /opt/zig/bin/pip install --quiet ziglang==ZIG cargo-zigbuild==ZIGBUILD
ENV PATH=/opt/zig/bin:$PATH
RUN mkdir /chef && cd /chef \
 && python3 -c 'import ssl, tarfile, urllib.request; c = ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt"); tarfile.open(fileobj=urllib.request.urlopen("https://static.crates.io/crates/cargo-chef/cargo-chef-CHEF.crate", context=c), mode="r|gz").extractall()' \
 && cd cargo-chef-* \
 && cargo zigbuild --release --locked --target x86_64-unknown-linux-gnu --target aarch64-unknown-linux-gnu \
 && mkdir /out && cp target/x86_64-unknown-linux-gnu/release/cargo-chef /out/amd64 \
 && cp target/aarch64-unknown-linux-gnu/release/cargo-chef /out/arm64

FROM cargoship-bench/rust
ARG TARGETARCH
COPY --from=compiled /out/$TARGETARCH /usr/bin/cargo-chef
