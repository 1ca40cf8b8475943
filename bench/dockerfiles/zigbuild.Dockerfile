# As published for multi-architecture builds: cargo-chef and cargo-zigbuild compiled in the first stage, every target in
# one invocation on the machine that builds, and the program chosen by the target's architecture.
FROM --platform=$BUILDPLATFORM cargoship-bench/rust AS chef
WORKDIR /src
RUN python3 -m venv /opt/zig && /opt/zig/bin/pip install --quiet ziglang==ZIG
ENV PATH=/usr/local/cargo/bin:/opt/zig/bin:$PATH
RUN cargo install --locked cargo-zigbuild@ZIGBUILD cargo-chef@CHEF

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
COPY --from=planner /src/recipe.json recipe.json
RUN --mount=type=cache,sharing=locked,target=/usr/local/cargo/registry,id=zigbuild \
    cargo chef cook --release --zigbuild --locked --recipe-path recipe.json \
        --target x86_64-unknown-linux-gnu --target aarch64-unknown-linux-gnu
COPY . .
RUN --mount=type=cache,sharing=locked,target=/usr/local/cargo/registry,id=zigbuild \
    cargo zigbuild --release --locked --target x86_64-unknown-linux-gnu --target aarch64-unknown-linux-gnu \
 && mkdir /out \
 && cp target/x86_64-unknown-linux-gnu/release/PROGRAM /out/amd64 \
 && cp target/aarch64-unknown-linux-gnu/release/PROGRAM /out/arm64

FROM cargoship-bench/runtime
ARG TARGETARCH
COPY --from=build /out/$TARGETARCH /usr/local/bin/PROGRAM
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/PROGRAM"]
