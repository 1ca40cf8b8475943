# What the images stand on, not measured: glibc and certificates.
FROM cargoship-bench/glibc:${TARGETARCH}
