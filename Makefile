# Gatepost. `make` lists the targets; each installs what it needs (Debian, Ubuntu) or names what is missing.

BUILD_PACKAGES := libpq-dev libssl-dev libsasl2-dev libidn2-dev libunistring-dev libunbound-dev
RUN_PACKAGES := $(BUILD_PACKAGES) libsasl2-modules postgresql util-linux
# The newest that is installed, or Debian's.
POSTGRESQL = postgresql-$(or $(shell ls /usr/lib/postgresql 2>/dev/null | sort -n | tail -1),15)
TEST_PACKAGES = $(RUN_PACKAGES) swaks libnet-ssleay-perl curl msmtp gsasl python3 python3-pip openssl postfix \
  libnss-wrapper mandoc zsh fish bsdextrautils systemd haproxy nsd php-cli php-symfony-mailer ruby-actionmailer \
  nodejs node-nodemailer openjdk-17-jdk-headless libjakarta-mail-java golang-go mutt s-nail libphp-phpmailer \
  libemail-sender-perl libauthen-sasl-perl libio-socket-ssl-perl patroni etcd-server python3-etcd \
  $(POSTGRESQL)-pgtap $(POSTGRESQL)-plpgsql-check

# What Gatepost is compared with.
PEER_PACKAGES = postfix postfix-pgsql dovecot-core dovecot-pgsql policyd-rate-limit python3-psycopg2 python3 nsd

SWIFT := swift
RELEASE := .build/release/gatepost
# Swift's own libraries inside the binary, where the toolchain has them in that form: it runs where no Swift is, begins in
# half the time, and needs a twentieth less processor time for a message. (GNU ld warns of what is in Foundation.)
STATIC = $(shell library=$$($(SWIFT) -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p'); \
  [ -f "$${library}_static/linux/libFoundation.a" ] && echo --static-swift-stdlib -Xswiftc -use-ld=lld)
RELEASE_BUILD = $(SWIFT) build -c release $(STATIC)
# What a quickstart can be stopped with: whichever was built last.
BUILT = $(firstword $(shell ls -t .build/release/gatepost .build/debug/gatepost 2>/dev/null))

.DEFAULT_GOAL := help
.PHONY: help quickstart stop test test-clients flood simulate build man bench bench-check bench-thresholds lint schema compare clean torture-proof torture

help:
	@echo "make quickstart         build, set everything up under .gatepost/, send a message; Ctrl-C ends it"
	@echo "make quickstart ONCE=1  the same, ending when the message has arrived"
	@echo "make stop               stop what a quickstart left up: its server and its PostgreSQL"
	@echo "make test               build and run every test"
	@echo "make test-clients       every client through every door, by every mechanism, with every message, as a table"
	@echo "make flood              floods against a server: what sessions that behave keep of their rate, and memory"
	@echo "make torture            crash everything, in full: hours. ROUNDS= SEED= ONLY=kills,… RESULTS= BINARY= PATIENCE= FRESH=1"
	@echo "make torture-proof      plant one fault after the other, and show that torture notices each. ONLY= SEED="


	@echo "make fuzz               fuzz every target for a minute each; TARGET=NAME, RUNS=N, SECONDS=N, SANITIZE=address"
	@echo "make sanitize           tests under AddressSanitizer, ThreadSanitizer and valgrind; TOOL=NAME, SUITES=A,B, FILTER="
	@echo "make build              the release binary, $(RELEASE)"
	@echo "make simulate           SESSIONS=1000000 SEED=1 FROM=0: client sessions in simulated worlds"
	@echo "make man                the manual pages and completions, under .build/man and .build/completions"
	@echo "make bench              measure the small parts of a message's path: time and allocations"
	@echo "make bench-check        the same, failing where one is over its threshold"
	@echo "make lint               check the format of the sources"
	@echo "make schema             write SQL/schema.sql anew"
	@echo "make compare            measure against Postfix and chasquid (as root; ROUNDS=3 ONLY=a,b,c,d,e,f SERVERS=)"
	@echo "make clean              stop and remove a quickstart, and everything built"

quickstart:
	@.ci/packages $(RUN_PACKAGES)
	@begun=$$(date +%s); $(RELEASE_BUILD) --product gatepost && \
	echo "built in $$(( $$(date +%s) - begun )) s"
	@exec $(RELEASE) quickstart $(if $(ONCE),--once)

stop:
	@if [ ! -d .gatepost ]; then echo "nothing to stop: there is no .gatepost"; \
	elif [ -n "$(BUILT)" ]; then $(BUILT) quickstart --stop; \
	else echo "error: .gatepost is there and gatepost is not built: make build" >&2; exit 1; fi

# The optimized program, in a folder of its own: see Package.swift. Its tests take a third of the processor time of a debug
# build's, and what the simulation is built of is built once. (--ignore-lock: several test runners share the folder.)
TESTED = -c release --scratch-path .build/tested -debug-info-format none -Xswiftc -use-ld=lld
test: export OPTIMIZED_TESTS = 1
test:
	@.ci/packages $(TEST_PACKAGES)
	$(SWIFT) build $(TESTED) --build-tests
	@TEST='$(SWIFT) test $(TESTED) --skip-build --ignore-lock' .ci/test .build/tested/release/simulation $(SESSIONS_RUN)

# The same worlds each time; `RECORD=FILE` adds the run to the totals kept there.
SESSIONS = 1000000
SEED = 1
FROM = 0
SESSIONS_RUN = --sessions $(SESSIONS) --seed $(SEED) --from $(FROM) $(if $(RECORD),--record $(RECORD))
simulate:
	@.ci/packages $(BUILD_PACKAGES)
	$(RELEASE_BUILD) --product simulation
	.build/release/simulation $(SESSIONS_RUN)

test-clients:
	@.ci/packages $(TEST_PACKAGES)
	$(SWIFT) build --build-tests
	@rm -f .build/clients.jsonl
	CLIENTS=full CLIENTS_RESULTS=$(CURDIR)/.build/clients.jsonl $(SWIFT) test --skip-build --filter ClientMatrixTests
	@python3 Tests/EndToEnd/Clients/matrix_table.py .build/clients.jsonl

flood: build
	@.ci/packages $(RUN_PACKAGES) python3
	@Benchmarks/flood

torture:
	@.ci/packages $(TEST_PACKAGES)
	$(RELEASE_BUILD) --product gatepost
	$(RELEASE_BUILD) --product torture
	.build/release/torture $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(filter-out file,$(origin SEED)),--seed $(SEED)) \
	  $(if $(RESULTS),--results $(RESULTS)) $(if $(BINARY),--binary $(BINARY)) $(if $(PATIENCE),--patience $(PATIENCE)) $(if $(FRESH),--fresh)

# In a folder of its own: no other build has anything of the faults in it.
torture-proof:
	@.ci/packages $(TEST_PACKAGES)
	PLANTED_FAULTS=1 $(SWIFT) build --scratch-path .build/planted --product gatepost
	PLANTED_FAULTS=1 $(SWIFT) build --scratch-path .build/planted --product torture
	.build/planted/debug/torture --prove $(if $(ONLY),--only $(ONLY)) $(if $(filter-out file,$(origin SEED)),--seed $(SEED))

.PHONY: fuzz sanitize
fuzz:
	@.ci/packages $(RUN_PACKAGES)
	@RUNS=$(RUNS) SECONDS_EACH=$(SECONDS) SANITIZE=$(SANITIZE) SWIFT=$(SWIFT) Fuzzing/run $(TARGET)

sanitize:
	@.ci/packages $(TEST_PACKAGES) valgrind
	@$(if $(SUITES),SUITES='$(SUITES)') $(if $(FILTER),FILTER='$(FILTER)') SWIFT=$(SWIFT) .ci/sanitize $(TOOL)

build:
	@.ci/packages $(BUILD_PACKAGES)
	$(RELEASE_BUILD) --product gatepost

man: build
	$(RELEASE) man --directory .build/man
	mkdir -p .build/completions
	$(RELEASE) completion bash >.build/completions/gatepost
	$(RELEASE) completion zsh >.build/completions/_gatepost
	$(RELEASE) completion fish >.build/completions/gatepost.fish

MICRO_bench-check := --check Benchmarks/Micro/thresholds.json
MICRO_bench-thresholds := --write Benchmarks/Micro/thresholds.json
bench bench-check bench-thresholds:
	@.ci/packages $(BUILD_PACKAGES) libsasl2-modules
	$(RELEASE_BUILD) --product microbench
	.build/release/microbench $(MICRO_$@) $(ONLY)

lint:
	@.ci/packages
	$(SWIFT) format lint --strict --recursive Sources Tests SQL Benchmarks Fuzzing Package.swift

schema:
	@.ci/packages $(RUN_PACKAGES)
	SQL/dump-schema.sh >SQL/schema.new
	mv SQL/schema.new SQL/schema.sql

compare: build
	@.ci/packages $(RUN_PACKAGES) $(PEER_PACKAGES)
	@exec env GATEPOST=$(RELEASE) /usr/bin/python3 -B Benchmarks/compare/compare.py

clean:
	@if [ -d .gatepost ]; then if [ -n "$(BUILT)" ]; then $(BUILT) quickstart --stop --remove; \
	else echo "error: .gatepost is there and gatepost is not built: make build" >&2; exit 1; fi; fi
	rm -rf .build
