FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked && strip target/release/bigblueswarm

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/bigblueswarm bigblueswarm
COPY --from=build /src/target/release/bigblueswarm /usr/local/bin/bigblueswarm
COPY config/default.yml /etc/bigblueswarm/default.yml
USER bigblueswarm
WORKDIR /var/lib/bigblueswarm
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["bigblueswarm"]
CMD ["serve", "--config", "/etc/bigblueswarm/bigblueswarm.yml"]
