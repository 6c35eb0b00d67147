# What there is to do here. `make demo` is the whole way from a bare Debian 12 with Rust to the sample site in a browser.
#
#   make            build the binary: target/release/tare
#   make demo       install what is needed, build, make the base images, bring up examples/django
#   make test       everything that CI checks
#   make fuzz       every parser of foreign input, FUZZ_SECONDS=60 each
#   make install    PREFIX=/usr/local
#   make dist       target/dist: an archive with install.sh, a .deb and an .rpm, with checksums
#   make bench      time tare, and whatever else is on PATH, side by side

PREFIX ?= /usr/local
# Where systemd looks for units that were not packaged.
UNITS ?= $(PREFIX)/lib/systemd/system
# Manuals and completion.
SHARE ?= $(PREFIX)/share
CARGO ?= cargo
TARE := $(CURDIR)/target/release/tare
export TARE

# The binary is static either way, so that it runs in any container and on any distribution: by musl where that target
# is installed, else by glibc, for which the target must be named too or build scripts would be linked so as well.
MACHINE := $(shell uname -m)
MUSL := $(shell rustup target list --installed 2>/dev/null | grep -x '$(MACHINE)-unknown-linux-musl')
TARGET ?= $(if $(MUSL),$(MUSL),$(MACHINE)-unknown-linux-gnu)
STATIC_FLAGS := $(if $(filter %-gnu,$(TARGET)),-C target-feature=+crt-static)

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
PACKAGES := gcc make python3 openssl strace mmdebstrap busybox-static iproute2 nftables

.PHONY: all build demo demo-down images packages test check deny scenario guest fuzz install install-texts dist uninstall bench clean

all: build

# Cargo knows best whether there is something to do; the binary is copied to where everybody looks for it.
build:
	RUSTFLAGS="$(strip $(RUSTFLAGS) $(STATIC_FLAGS))" $(CARGO) build --release --package tare-cli --target $(TARGET)
	@mkdir -p target/release
	@cmp -s target/$(TARGET)/release/tare $(TARE) || install -m 755 target/$(TARGET)/release/tare $(TARE)

# Only what is missing is installed, so that a second run needs no network.
packages:
	@missing=$$(for package in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
	if [ -n "$$missing" ]; then \
	    $(SUDO) apt-get -qq update && \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $$missing; \
	fi
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: https://rustup.rs, or your distribution's cargo" >&2; exit 1; }

images: build
	images/make.sh

demo: packages build images
	examples/django/up $(TARE)

demo-down:
	cd examples/django && $(TARE) compose down

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) xtask tidy

# What tare is built from: licences, sources, and crates that are not taken. Without a network once it is installed.
deny:
	@$(CARGO) deny --version >/dev/null 2>&1 || \
	    $(CARGO) install --quiet --locked --no-default-features --version 0.20.2 cargo-deny
	$(CARGO) deny --log-level error check bans licenses sources

# Each test of the engine works on the real kernel, so they want root, and the scenario wants port 8000.
test: packages check deny build
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --workspace --locked; \
	else \
	    $(CARGO) test --workspace --locked; \
	fi
	$(MAKE) scenario

scenario: build
	tests/scenario/run
	tests/scenario/race
	tests/scenario/fifty
	tests/scenario/kills

# systemd and cgroup v2 alone, in a guest of qemu without KVM; apart from `test`, because it wants a kernel and qemu.
guest: build
	tests/guest/run

# Apart from `test`, because it builds every crate anew with coverage counters; property tests of the same parsers are in `test`.
fuzz:
	fuzz/run

# Under Docker's names only where there is no Docker: what is installed stays what it is.
install: build
	install -D -m 755 $(TARE) $(DESTDIR)$(PREFIX)/bin/tare
	@for name in docker docker-compose; do \
	    there=$$(command -v $$name || true); \
	    if [ -z "$$there" ] || [ "$$(readlink "$$there")" = tare ]; then \
	        ln -sf tare $(DESTDIR)$(PREFIX)/bin/$$name && echo "$$name is tare now"; \
	    else \
	        echo "$$there stays as it is: call tare by its own name"; \
	    fi; \
	done
	@$(MAKE) --no-print-directory install-texts
	@if [ -d $(DESTDIR)/usr/lib/systemd/system ] || [ -d $(DESTDIR)/lib/systemd/system ]; then \
	    install -d $(DESTDIR)$(UNITS) && \
	    sed 's|@BIN@|$(PREFIX)/bin|' systemd/tare.service >$(DESTDIR)$(UNITS)/tare.service && \
	    echo "systemctl enable tare    starts containers with a restart policy when the machine does"; \
	fi

# Manual pages, and what the shells ask: for the names that are tare's.
install-texts:
	@rm -rf target/texts && mkdir -p target/texts/man && $(TARE) man target/texts/man
	@names="$(COMPLETED)"; [ -n "$$names" ] || { names=tare; for name in docker docker-compose; do \
	    if [ "$$(readlink $(DESTDIR)$(PREFIX)/bin/$$name)" = tare ]; then names="$$names $$name"; fi; \
	done; }; \
	flags=$$(for name in $$names; do printf ' --for %s' $$name; done); \
	$(TARE) completion bash $$flags >target/texts/bash && $(TARE) completion zsh $$flags >target/texts/zsh && \
	install -d $(DESTDIR)$(SHARE)/man/man1 $(DESTDIR)$(SHARE)/bash-completion/completions \
	    $(DESTDIR)$(SHARE)/zsh/site-functions $(DESTDIR)$(SHARE)/fish/vendor_completions.d && \
	install -m 644 target/texts/man/*.1 $(DESTDIR)$(SHARE)/man/man1/ && \
	install -m 644 target/texts/zsh $(DESTDIR)$(SHARE)/zsh/site-functions/_tare && \
	for name in $$names; do \
	    install -m 644 target/texts/bash $(DESTDIR)$(SHARE)/bash-completion/completions/$$name && \
	    $(TARE) completion fish --for $$name >$(DESTDIR)$(SHARE)/fish/vendor_completions.d/$$name.fish || exit 1; \
	done

# What is published: an archive with its checksums, a .deb and an .rpm, in target/dist. Nothing is fetched but the two tools.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
DIST := target/dist
STAGE := $(DIST)/tare-$(VERSION)-linux-$(MACHINE)
dist: build
	@rm -rf $(DIST) && mkdir -p $(STAGE)/bin $(STAGE)/share/doc/tare
	@install -m 755 $(TARE) $(STAGE)/bin/tare
	@$(MAKE) --no-print-directory install-texts DESTDIR=$(CURDIR)/$(STAGE) PREFIX= SHARE=/share COMPLETED=tare
	@install -m 644 README.md CHANGELOG.md LICENSE $(STAGE)/share/doc/tare/
	@install -m 755 packaging/install.sh $(STAGE)/ && install -m 644 systemd/tare.service $(STAGE)/
	@sed 's|@BIN@|/usr/bin|' systemd/tare.service >$(DIST)/tare.service
	tar -C $(DIST) --owner=0 --group=0 --numeric-owner --sort=name -czf $(STAGE).tar.gz $(notdir $(STAGE))
	@$(CARGO) deb --version >/dev/null 2>&1 || $(CARGO) install --quiet --locked cargo-deb
	@$(CARGO) generate-rpm --version >/dev/null 2>&1 || $(CARGO) install --quiet --locked cargo-generate-rpm
	@rm -rf $(DIST)/stage && cp -a $(STAGE) $(DIST)/stage
	$(CARGO) deb --quiet --no-build --no-strip --package tare-cli --output $(DIST)/
	$(CARGO) generate-rpm --package crates/cli --output $(DIST)/
	@rm -rf $(DIST)/stage $(DIST)/tare.service $(STAGE)
	cd $(DIST) && sha256sum * >SHA256SUMS && cat SHA256SUMS

uninstall:
	@for name in docker docker-compose; do \
	    if [ "$$(readlink $(DESTDIR)$(PREFIX)/bin/$$name)" = tare ]; then rm $(DESTDIR)$(PREFIX)/bin/$$name; fi; \
	done
	rm -f $(DESTDIR)$(PREFIX)/bin/tare $(DESTDIR)$(UNITS)/tare.service $(DESTDIR)$(SHARE)/man/man1/tare.1 \
	    $(DESTDIR)$(SHARE)/man/man1/tare-*.1 $(DESTDIR)$(SHARE)/zsh/site-functions/_tare
	@for name in tare docker docker-compose; do \
	    for file in bash-completion/completions/$$name fish/vendor_completions.d/$$name.fish; do \
	        if grep -q TARE_COMPLETE $(DESTDIR)$(SHARE)/$$file 2>/dev/null; then rm $(DESTDIR)$(SHARE)/$$file; fi; \
	    done; \
	done

bench: build
	images/make.sh busybox
	bench/run

clean:
	$(CARGO) clean
