FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin bigblueswarm \
 && strip target/release/bigblueswarm \
 && mkdir /state

# The C library of the stage above, the roots of TLS, and nothing else: no shell, no package manager. A static program
# would need musl, whose resolver of names knows less than glibc's, for no smaller surface.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/bigblueswarm /usr/bin/bigblueswarm
COPY config/default.yml /etc/bigblueswarm/default.yml
COPY --from=build --chown=65532:65532 /state /var/lib/bigblueswarm
USER 65532:65532
WORKDIR /var/lib/bigblueswarm
# The embedded store; empty where a Redis is configured.
VOLUME ["/var/lib/bigblueswarm"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["/usr/bin/bigblueswarm", "health", "--config", "/etc/bigblueswarm/bigblueswarm.yml"]
ENTRYPOINT ["/usr/bin/bigblueswarm"]
CMD ["serve", "--config", "/etc/bigblueswarm/bigblueswarm.yml"]
