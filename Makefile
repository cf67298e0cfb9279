# SPDX-License-Identifier: MPL-2.0
#
# `make` alone lists the targets. GNU Make 3.81 or newer.

MAKEFLAGS += --no-builtin-rules --warn-undefined-variables
SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# For the scripts too.
GO ?= go
export GO
# A path: take that Vault server. Empty: the one on PATH, else build it. "build": build it in any case.
VAULT_BIN ?=
export VAULT_BIN
# The server that SCRIPT=move moves to. Empty: the same program.
OTHER_VAULT_BIN :=
export FINICITY_E2E_OTHER_VAULT := $(abspath $(OTHER_VAULT_BIN))
# What the end-to-end tests, the demo and `make dev` run. Absolute, because a test runs in the folder of its package.
export FINICITY_E2E_VAULT := $(CURDIR)/bin/vault
export FINICITY_E2E_PLUGIN := $(CURDIR)/bin/vault-plugin-secrets-finicity
export FINICITY_E2E_FAKE := $(CURDIR)/bin/fake-finicity
export FINICITY_E2E_KUBECONFORM := $(CURDIR)/bin/kubeconform
export FINICITY_E2E_TOFU := $(CURDIR)/bin/tofu
export FINICITY_E2E_TERRAFORM_PROVIDER := $(CURDIR)/bin/terraform-provider-vault

# Set on the command line for a release (make build VERSION=v0.1.0), never taken from the environment: Vault refuses a
# plugin whose version is not the registered one, and takes any version if it has none, as in development builds.
VERSION :=
ifneq ($(VERSION),)
ifeq ($(shell echo '$(VERSION)' | grep -E '^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$$'),)
$(error VERSION is "$(VERSION)", but has to look like v0.1.0)
endif
endif
LDFLAGS := -s -w $(if $(VERSION),-X vault-plugin-secrets-finicity.Version=$(VERSION))

# Each of these packages must be covered to COVER_MIN percent: the first ones by their own tests, the others by those and
# the tests of a whole mount.
COVER_MIN := 90
COVER_PACKAGES := ./internal/secrets ./internal/attempts ./internal/schedule ./internal/token ./internal/confidential ./internal/finicityapi
COVER_MOUNT := . ./internal/engine

.PHONY: help
help: ## Show this list (the default)
	@awk -F ':.*## ' '/^##: / {print substr($$0, 5)} /^##= / {printf "%19s%s\n", "", substr($$0, 5)} \
		/^[a-z][a-z0-9-]*:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

##: Build

# Always run: the Go toolchain knows better than file times what is up to date. Without the state of the checkout in it the
# same source gives the same bytes, whose checksum is what Vault trusts.
.PHONY: build
build: ## Build the plugin at bin/vault-plugin-secrets-finicity (VERSION=v0.1.0 for a release)
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/vault-plugin-secrets-finicity ./cmd/vault-plugin-secrets-finicity

.PHONY: fake
fake: ## Build the mock server for Finicity at bin/fake-finicity
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -o bin/fake-finicity ./cmd/fake-finicity

.PHONY: vault
vault: ## Put a Vault server at bin/vault: VAULT_BIN, the one on PATH, or a build from source
	@bash scripts/build-vault.sh

bin/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	@bash tools/build.sh lint tools/lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint $@ \
		'two to four minutes on two cores the first time, seconds later'

bin/kubeconform: tools/kubeconform/go.mod tools/kubeconform/go.sum
	@bash tools/build.sh kubeconform tools/kubeconform github.com/yannh/kubeconform/cmd/kubeconform $@ \
		'less than a minute on two cores the first time, seconds later'

# It calls itself v1.12.6-dev without the flag.
bin/tofu: export CGO_ENABLED := 0
bin/tofu: tools/opentofu/go.mod tools/opentofu/go.sum
	@bash tools/build.sh opentofu tools/opentofu github.com/opentofu/opentofu/cmd/tofu $@ \
		'three to four minutes on two idle cores the first time, seconds later' \
		-ldflags '-s -w -X github.com/opentofu/opentofu/version.dev=no'

bin/terraform-provider-vault: export CGO_ENABLED := 0
bin/terraform-provider-vault: $(wildcard tools/terraform-provider/*)
	@bash tools/build.sh provider tools/terraform-provider . $@ 'a minute the first time, seconds later' -ldflags '-s -w'

##: Check

# What the end-to-end tests run.
END_TO_END := vault build fake bin/kubeconform bin/tofu bin/terraform-provider-vault
.PHONY: tools
tools: $(END_TO_END)

# Shows how far go test is. exec, so that a signal from make reaches it, and it the tests.
.PHONY: progress
progress:
	@mkdir -p bin
	@$(GO) build -trimpath -buildvcs=false -o bin/progress ./tools/progress

# Most of the end-to-end tests wait for time to pass, so more of them run at once than there are cores.
.PHONY: test
test: $(END_TO_END) progress ## Run every test with the race detector, the end-to-end tests and a little fuzzing included
##= 15 to 25 minutes on two cores; the first time half an hour more, for the tools
	@exec env CGO_ENABLED=1 bin/progress -race -count=1 -parallel 4 -timeout 50m ./...
	@FUZZTIME=$${FUZZTIME:-5s} bash scripts/fuzz.sh

SCRIPT :=
TEST :=
.PHONY: e2e
e2e: $(END_TO_END) progress ## Run the end-to-end tests alone, in about ten minutes
##= SCRIPT=cluster for test/e2e/testdata/cluster.txtar alone, and to see each step
##= TEST=TestDev for the tests whose name matches alone, and to see their output
##= VAULT_BIN=/path/to/bao to run them on OpenBao, OTHER_VAULT_BIN to have SCRIPT=move move there
	@$(if $(SCRIPT),ls test/e2e/testdata/$(SCRIPT).txtar >/dev/null)
	@exec bin/progress -count=1 -parallel 4 -timeout 50m \
		$(if $(SCRIPT),-v -run 'TestScripts/^$(SCRIPT)$$',$(if $(TEST),-v -run '$(TEST)')) ./test/e2e

PKG := . ./internal/... ./cmd/... ./test/bench ./test/layers ./test/mount ./test/mutants ./test/prove ./test/simulation ./test/vso ./tools/progress ./tools/recording
.PHONY: unit
unit: progress ## Run the quick tests, which need no Vault, in two to four minutes
##= TEST=TestWhatTextsSayIsSo PKG=./test/mount for the tests of a package whose name matches, and to see their output
	@exec bin/progress $(if $(TEST),-v -count=1 -run '$(TEST)') $(PKG)

DEPTH := 6
.PHONY: prove
prove: ## Walk through every sequence of DEPTH events, over the code of the rules (DEPTH=6)
##= five minutes and 5 GB of memory on two idle cores
	$(GO) test -v -count=1 -timeout 0 ./test/prove -depth $(DEPTH)

MUTANT :=
.PHONY: mutants
mutants: ## Remove the safeguards one at a time, and see that each one is missed
##= an hour or more; MUTANT=engine/write.go for some of them
	$(GO) test -v -count=1 -timeout 0 ./test/mutants -mutants -mutant '$(MUTANT)'

ROUNDS := 9
.PHONY: bench
bench: vault build ## Compare reads with those of a plugin that returns a constant, on a real Vault server, in a quarter of an hour
##= ROUNDS=3 for a look; an idle machine for figures; writes bin/bench.json and bin/bench.svg
	@mkdir -p bin
	@$(GO) build -trimpath -o bin/bench ./test/bench
	@exec bin/bench -rounds $(ROUNDS) -json bin/bench.json -svg bin/bench.svg

READS := 1000000
PARTS := cold,refresh,outage,memory,mounts,leases
.PHONY: bench-fleet
bench-fleet: vault build ## Measure what a fleet of readers costs: 10 000 at a cold start, a refresh, an outage, memory, leases
##= ten minutes on two idle cores; READS=100000 for a look, PARTS=cold,refresh for some of it; writes bin/fleet.json
	@mkdir -p bin
	@$(GO) build -trimpath -o bin/bench ./test/bench
	@exec bin/bench -fleet -parts $(PARTS) -reads $(READS) -json bin/fleet.json

.PHONY: soak
soak: ## Run the simulation until it is stopped or a promise is broken (SOAK_BATCH, SOAK_SEED)
	@bash scripts/soak.sh

.PHONY: fuzz
fuzz: ## Give the parsers what nobody would send, 10s for each of them, three minutes in all (FUZZTIME=10m, FUZZTARGET)
	@bash scripts/fuzz.sh

.PHONY: cover
cover: ## Measure coverage, fail if a package has less than 90 percent, write bin/cover.html, in two to four minutes
	@bash tools/cover.sh $(COVER_MIN) '$(COVER_MOUNT)' $(COVER_PACKAGES)

# Cheapest first. `golangci-lint run` checks the formatting too. tofu is to heed nobody's settings but its own.
.PHONY: lint
lint: bin/golangci-lint bin/tofu ## Check the code, its formatting, the modules, the scripts and examples/terraform
##= less than a minute; the first time five to eight minutes more, for the tools
	@find . \( -name .git -o -path ./bin \) -prune -o -type f \( -name '*.sh' -o -path ./.ci/run \) -print | \
		while IFS= read -r script; do bash -n "$$script" || exit 1; done
	TF_CLI_CONFIG_FILE=/dev/null bin/tofu fmt -check -diff -recursive examples/terraform
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) vet ./...
	bin/golangci-lint run ./...

.PHONY: openapi
openapi: vault build ## Write the OpenAPI document that Vault generates to test/e2e/testdata/openapi.json, for a review
	$(GO) test -count=1 -run TestTheOpenAPIDocumentOfVault ./test/e2e -update

.PHONY: schemas
schemas: ## Write the schemas for examples/kubernetes anew, from what tools/kubeconform/main.go names
	cd tools/kubeconform && GOWORK=off $(GO) run .

.PHONY: fmt
fmt: bin/golangci-lint bin/tofu ## Format the code
	bin/golangci-lint fmt
	TF_CLI_CONFIG_FILE=/dev/null bin/tofu fmt -recursive examples/terraform

##: Try

.PHONY: demo
demo: vault build fake ## Show the engine at work on a real Vault server, in seconds: config, token, rotation
	@bash scripts/demo.sh

.PHONY: pictures
pictures: vault build fake ## Record what the demo prints, as docs/pictures/demo.svg
##= after a change of scripts/demo.sh; the other pictures are edited by hand, and the chart is made by make bench
	@bash scripts/record-demo.sh

.PHONY: dev
dev: vault build fake ## Start a Vault server with the engine mounted, to play with
	@bash scripts/dev.sh

##: Clean

# What takes longer stays.
.PHONY: clean
clean: ## Remove what was built, but for the Vault server, the linter, kubeconform and OpenTofu
	@rm -rf bin/vault-plugin-secrets-finicity bin/fake-finicity bin/terraform-provider-vault bin/cover.* bin/*.log

.PHONY: distclean
distclean: ## Remove these too: the next make builds them again
	@rm -rf bin
