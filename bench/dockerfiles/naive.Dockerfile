# What most projects begin with: compile everything on the image's own platform.
FROM cargoship-bench/rust AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,sharing=locked,target=/usr/local/cargo/registry,id=naive \
    cargo build --release --locked

FROM cargoship-bench/runtime
COPY --from=build /src/target/release/PROGRAM /usr/local/bin/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/PROGRAM"]
