# As in cargo-chef's README, with the tool from an image that has it. Every stage runs on the image's own platform.
FROM cargoship-bench/chef AS chef
WORKDIR /src

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
COPY --from=planner /src/recipe.json recipe.json
RUN --mount=type=cache,sharing=locked,target=/usr/local/cargo/registry,id=chef \
    cargo chef cook --release --locked --recipe-path recipe.json
COPY . .
RUN --mount=type=cache,sharing=locked,target=/usr/local/cargo/registry,id=chef \
    cargo build --release --locked

FROM cargoship-bench/runtime
COPY --from=build /src/target/release/PROGRAM /usr/local/bin/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/PROGRAM"]
