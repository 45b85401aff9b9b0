# Firefinch as a small image. Builds the shipped profile; runs as its own account.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The committed query metadata makes the build need no database.
RUN SQLX_OFFLINE=true cargo build --locked --profile dist --bin firefinch

FROM debian:bookworm-slim
# PostgreSQL's server binaries, for running without DATABASE_URL; ca-certificates for mail and webhooks.
# `create_main_cluster = false` keeps the package from making a cluster of its own.
RUN mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates postgresql-15 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/firefinch --create-home firefinch
COPY --from=build /src/target/dist/firefinch /usr/local/bin/firefinch
USER firefinch
ENV FIREFINCH_LISTEN=0.0.0.0:9000 FIREFINCH_DATA_DIR=/var/lib/firefinch/data
VOLUME /var/lib/firefinch
EXPOSE 9000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["firefinch", "health"]
ENTRYPOINT ["firefinch"]
CMD ["serve"]
