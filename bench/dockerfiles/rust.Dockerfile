# What all ways stand on, not measured: Rust for the image's platform, with the standard library of the other one beside it.
FROM cargoship-bench/packages:amd64 AS std-amd64
FROM cargoship-bench/packages:arm64 AS std-arm64
FROM cargoship-bench/packages:${TARGETARCH}
RUN ldconfig
COPY --from=std-amd64 /usr/lib/rustlib/x86_64-unknown-linux-gnu/ /usr/lib/rustlib/x86_64-unknown-linux-gnu/
COPY --from=std-arm64 /usr/lib/rustlib/aarch64-unknown-linux-gnu/ /usr/lib/rustlib/aarch64-unknown-linux-gnu/
ENV CARGO_HOME=/usr/local/cargo PIP_CERT=/etc/ssl/certs/ca-certificates.crt CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt
COPY pip.conf /etc/pip.conf
