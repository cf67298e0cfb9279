# SPDX-License-Identifier: MPL-2.0
#
# `make` alone lists the targets. GNU Make 3.81 or newer.

MAKEFLAGS += --no-builtin-rules --warn-undefined-variables
SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The scripts use this too.
GO ?= go
export GO
# A path: use that Vault server. Empty: the one on PATH, or else build it. "build":
# always build it.
VAULT_BIN ?=
export VAULT_BIN
# The server that SCRIPT=move moves to. Empty: the same program.
OTHER_VAULT_BIN :=
export FINICITY_E2E_OTHER_VAULT := $(abspath $(OTHER_VAULT_BIN))
# The programs of the end-to-end tests, the demo and `make dev`. The paths are absolute,
# because a test runs in the folder of its package.
export FINICITY_E2E_VAULT := $(CURDIR)/bin/vault
export FINICITY_E2E_PLUGIN := $(CURDIR)/bin/vault-plugin-secrets-finicity
export FINICITY_E2E_FAKE := $(CURDIR)/bin/fake-finicity
export FINICITY_E2E_KUBECONFORM := $(CURDIR)/bin/kubeconform
export FINICITY_E2E_JQ := $(CURDIR)/bin/jq
export FINICITY_E2E_AWS := $(CURDIR)/bin/aws-inputs
export FINICITY_E2E_TOFU := $(CURDIR)/bin/tofu
export FINICITY_E2E_TERRAFORM_PROVIDER := $(CURDIR)/bin/terraform-provider-vault
export FINICITY_E2E_ETCD := $(CURDIR)/bin/etcd
export FINICITY_E2E_KUBE_APISERVER := $(CURDIR)/bin/kube-apiserver
export FINICITY_E2E_KUBECTL := $(CURDIR)/bin/kubectl
export FINICITY_E2E_AUTH_KUBERNETES := $(CURDIR)/bin/vault-plugin-auth-kubernetes
export FINICITY_E2E_EXTERNAL_SECRETS := $(CURDIR)/bin/external-secrets
export FINICITY_E2E_EXTERNAL_SECRETS_DEFINITIONS := $(CURDIR)/bin/external-secrets-definitions

# Set this on the command line for a release (make build VERSION=v0.1.0). It never comes
# from the environment: Vault refuses a plugin whose version differs from the registered
# one. A development build has no version, and then Vault accepts any.
VERSION :=
ifneq ($(VERSION),)
ifeq ($(shell echo '$(VERSION)' | grep -E '^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$$'),)
$(error VERSION is "$(VERSION)", but must look like v0.1.0)
endif
endif
LDFLAGS := -s -w $(if $(VERSION),-X main.release=$(VERSION))

# At least COVER_MIN percent of each of these packages must be covered: COVER_PACKAGES
# by their own tests, COVER_MOUNT by these and the tests of a whole mount.
COVER_MIN := 90
COVER_PACKAGES := ./internal/secrets ./internal/attempts ./internal/schedule ./internal/token ./internal/confidential ./internal/finicityapi
COVER_MOUNT := . ./internal/engine

.PHONY: help
help: ## Show this list (the default)
	@awk -F ':.*## ' '/^##: / {print substr($$0, 5)} /^##= / {printf "%28s%s\n", "", substr($$0, 5)} \
		/^[a-z][a-z0-9-]*:.*## / {printf "  make %-20s %s\n", $$1, $$2}' Makefile

##: Build

# Always runs: the Go toolchain knows better than file times what is up to date. Without
# version-control information, the same source gives the same bytes. Vault trusts the
# plugin by their checksum.
.PHONY: build
build: ## Build the plugin at bin/vault-plugin-secrets-finicity (VERSION=v0.1.0 for a release)
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/vault-plugin-secrets-finicity ./cmd/vault-plugin-secrets-finicity

.PHONY: fake
fake: ## Build the mock server for Finicity at bin/fake-finicity
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/fake-finicity ./cmd/fake-finicity

.PHONY: vault
vault: ## Provide a Vault server at bin/vault: VAULT_BIN, the vault on PATH, or a build from source
	@bash scripts/build-vault.sh

# The program must have the name vault, in a folder of its own: the tests put that folder
# first on PATH. Without cgo, as in the released binaries.
bin/lts/vault: export CGO_ENABLED := 0
bin/lts/vault: $(wildcard tools/vault-lts/*)
	@bash tools/build.sh vault-lts tools/vault-lts . $@ \
		'about six minutes on two idle cores the first time, seconds after that' -tags minimal -ldflags '-s -w'

bin/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	@bash tools/build.sh lint tools/lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint $@ \
		'two to four minutes on two cores the first time, seconds after that'

bin/kubeconform: tools/kubeconform/go.mod tools/kubeconform/go.sum
	@bash tools/build.sh kubeconform tools/kubeconform github.com/yannh/kubeconform/cmd/kubeconform $@ \
		'less than a minute on two cores the first time, seconds after that'

bin/aws-inputs: $(wildcard tools/aws/*)
	@bash tools/build.sh aws tools/aws . $@ 'a minute the first time, seconds after that' -ldflags '-s -w'

bin/actionlint: tools/actionlint/go.mod tools/actionlint/go.sum
	@bash tools/build.sh actionlint tools/actionlint github.com/rhysd/actionlint/cmd/actionlint $@ \
		'less than a minute on two cores the first time, seconds after that'

bin/vulncheck: tools/vulncheck/go.mod tools/vulncheck/go.sum tools/vulncheck/main.go
	@bash tools/build.sh vulncheck tools/vulncheck . $@ 'less than a minute on two cores the first time, seconds after that'

# Without the flag, it reports the version v1.12.6-dev.
bin/tofu: export CGO_ENABLED := 0
bin/tofu: tools/opentofu/go.mod tools/opentofu/go.sum
	@bash tools/build.sh opentofu tools/opentofu github.com/opentofu/opentofu/cmd/tofu $@ \
		'three to four minutes on two idle cores the first time, seconds after that' \
		-ldflags '-s -w -X github.com/opentofu/opentofu/version.dev=no'

bin/terraform-provider-vault: export CGO_ENABLED := 0
bin/terraform-provider-vault: $(wildcard tools/terraform-provider/*)
	@bash tools/build.sh provider tools/terraform-provider . $@ 'a minute the first time, seconds after that' -ldflags '-s -w'

bin/jq: export CGO_ENABLED := 0
bin/jq: $(wildcard tools/jq/*)
	@bash tools/build.sh jq tools/jq . $@ 'seconds' -ldflags '-s -w'

# Without the tag, it would contain the clients of clouds and registries, which only
# the discovery of targets needs.
bin/promtool: export CGO_ENABLED := 0
bin/promtool: tools/promtool/go.mod tools/promtool/go.sum
	@bash tools/build.sh promtool tools/promtool github.com/prometheus/prometheus/cmd/promtool $@ \
		'three to five minutes on two cores the first time, seconds after that' -tags remove_all_sd -ldflags '-s -w'

# An API server without a version calls itself v0.0.0, which clients do not support.
KUBERNETES_VERSION := -X k8s.io/component-base/version.gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37
KUBERNETES_TOOLS := bin/etcd bin/kube-apiserver bin/kubectl bin/vault-plugin-auth-kubernetes bin/external-secrets-definitions
$(KUBERNETES_TOOLS) bin/external-secrets: export CGO_ENABLED := 0
bin/etcd: tools/kubernetes/go.mod tools/kubernetes/go.sum
	@bash tools/build.sh kubernetes tools/kubernetes go.etcd.io/etcd/server/v3 $@ 'a minute the first time, seconds after that' -ldflags '-s -w'

bin/kube-apiserver: tools/kubernetes/go.mod tools/kubernetes/go.sum
	@bash tools/build.sh kubernetes tools/kubernetes k8s.io/kubernetes/cmd/kube-apiserver $@ \
		'three to four minutes on two idle cores the first time, seconds after that' -ldflags '-s -w $(KUBERNETES_VERSION)'

bin/kubectl: tools/kubernetes/go.mod tools/kubernetes/go.sum
	@bash tools/build.sh kubernetes tools/kubernetes k8s.io/kubernetes/cmd/kubectl $@ 'a minute the first time, seconds after that' \
		-ldflags '-s -w $(KUBERNETES_VERSION)'

bin/vault-plugin-auth-kubernetes: tools/auth-kubernetes/go.mod tools/auth-kubernetes/go.sum
	@bash tools/build.sh kubernetes tools/auth-kubernetes github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes $@ \
		'a minute the first time, seconds after that' -ldflags '-s -w'

bin/external-secrets: tools/external-secrets/go.mod tools/external-secrets/go.sum
	@bash tools/build.sh external-secrets tools/external-secrets github.com/external-secrets/external-secrets $@ \
		'six to ten minutes on two idle cores the first time, seconds after that' -ldflags '-s -w'

# The operator's own definitions of its resources, from its module.
bin/external-secrets-definitions: tools/external-secrets/go.mod tools/external-secrets/go.sum
	@rm -rf $@ $@.new
	@mkdir -p bin
	@cd tools/external-secrets && GOWORK=off $(GO) mod download github.com/external-secrets/external-secrets
	@cp -R "$$(cd tools/external-secrets && GOWORK=off $(GO) list -m -f '{{.Dir}}' github.com/external-secrets/external-secrets)/config/crds/bases" $@.new
	@chmod -R u+w $@.new
	@mv $@.new $@
	@touch $@

RELEASE_TOOLS := bin/goreleaser bin/cyclonedx-gomod bin/minisign bin/licenses bin/image
bin/goreleaser: tools/goreleaser/go.mod tools/goreleaser/go.sum
	@bash tools/build.sh goreleaser tools/goreleaser github.com/goreleaser/goreleaser/v2 $@ \
		'four to six minutes on two cores the first time, seconds after that' -ldflags '-s -w'

bin/cyclonedx-gomod: tools/sbom/go.mod tools/sbom/go.sum
	@bash tools/build.sh sbom tools/sbom github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod $@ \
		'a minute the first time, seconds after that'

bin/minisign: tools/minisign/go.mod tools/minisign/go.sum
	@bash tools/build.sh minisign tools/minisign aead.dev/minisign/cmd/minisign $@ 'seconds'

bin/licenses: $(wildcard tools/licenses/*)
	@bash tools/build.sh licenses tools/licenses . $@ 'seconds'

bin/image: $(wildcard tools/image/*)
	@bash tools/build.sh image tools/image . $@ 'seconds'

.PHONY: release-snapshot
release-snapshot: $(RELEASE_TOOLS) ## Build everything that a release has into dist/, signed with a throw-away key
##= VERSION=v0.1.0 to compare it with a release; 15 minutes on two cores the first time, one to two after that
	@bash scripts/release.sh snapshot $(VERSION)

KEEP :=
.PHONY: release
release: $(RELEASE_TOOLS) ## Build the release of the tag of this commit into dist/, signed with MINISIGN_KEY_FILE
##= VERSION=v0.1.0 if the commit has several tags
	@bash scripts/release.sh release $(VERSION)

.PHONY: release-check
release-check: vault $(RELEASE_TOOLS) bin/jq ## Build a snapshot of the last commit in two folders, compare them, and verify one as users do
##= five minutes after make release-snapshot; KEEP=/path/to/folder keeps both, and uses them the next time
	$(GO) test -v -count=1 -timeout 0 ./test/release -build -keep '$(KEEP)'

##: Check

# The programs that the end-to-end tests run.
END_TO_END := vault build fake bin/kubeconform bin/jq bin/aws-inputs bin/tofu bin/terraform-provider-vault
.PHONY: tools
tools: $(END_TO_END)

.PHONY: runtimes
runtimes: ## Install what the tests of the examples need (Java, Node.js, Python, Ruby, systemd-analyze) with apt-get
	@bash scripts/runtimes.sh

# Shows the progress of go test. exec, so that a signal from make reaches it and the
# tests.
.PHONY: progress
progress:
	@mkdir -p bin
	@$(GO) build -trimpath -buildvcs=false -o bin/progress ./tools/progress

# Most end-to-end tests wait for time to pass, so more of them run at once than there
# are cores.
.PHONY: test
test: $(END_TO_END) progress ## Run every test with the race detector, including the end-to-end tests, and each fuzz target for 5 seconds
##= 15 to 25 minutes on two cores; half an hour more the first time, to build the tools
	@exec env CGO_ENABLED=1 bin/progress -race -count=1 -parallel 4 -timeout 50m ./...
	@FUZZTIME=$${FUZZTIME:-5s} bash scripts/fuzz.sh

SCRIPT :=
TEST :=
define run-end-to-end
	@$(if $(SCRIPT),ls test/e2e/testdata/$(SCRIPT).txtar >/dev/null)
	@exec bin/progress -count=1 -parallel 4 -timeout 50m \
		$(if $(SCRIPT),-v -run 'TestScripts/^$(SCRIPT)$$',$(if $(TEST),-v -run '$(TEST)')) ./test/e2e
endef
.PHONY: e2e
e2e: $(END_TO_END) progress ## Run only the end-to-end tests, in about ten minutes
##= SCRIPT=cluster runs only test/e2e/testdata/cluster.txtar, and shows each step
##= TEST=TestDev runs only the tests whose name matches, and shows their output
##= VAULT_BIN=/path/to/bao runs them on OpenBao; OTHER_VAULT_BIN is the server that SCRIPT=move moves to
	$(run-end-to-end)

.PHONY: e2e-lts
e2e-lts: export FINICITY_E2E_VAULT := $(CURDIR)/bin/lts/vault
e2e-lts: bin/lts/vault $(filter-out vault,$(END_TO_END)) progress ## Run the end-to-end tests on the oldest supported Vault server, which it builds
##= SCRIPT and TEST as for make e2e; docs/compatibility.md says what differs
	$(run-end-to-end)

# These tests are not part of make test: their programs take minutes to build.
.PHONY: e2e-kubernetes
e2e-kubernetes: vault build $(KUBERNETES_TOOLS) progress ## Apply examples/kubernetes to a real Kubernetes API server, and log in with its service accounts
##= a minute; five to ten minutes more the first time, to build the API server
	@exec bin/progress -v -count=1 -timeout 30m -run 'TestKubernetes/^manifests$$' ./test/e2e -kubernetes

.PHONY: e2e-external-secrets
e2e-external-secrets: vault build $(KUBERNETES_TOOLS) bin/external-secrets progress ## Run the External Secrets Operator with examples/kubernetes on a real API server
##= a minute; ten to twenty minutes more the first time, to build the API server and the operator
	@exec bin/progress -v -count=1 -timeout 30m -run 'TestKubernetes/^external_secrets$$' ./test/e2e -kubernetes

PKG := . ./internal/... ./cmd/... ./test/bench ./test/documents ./test/layers ./test/monitoring ./test/mount ./test/mutants ./test/prove ./test/release ./test/simulation ./test/vso ./tools/progress ./tools/recording
.PHONY: unit
unit: progress ## Run the quick tests, which need no Vault, in two to four minutes
##= TEST=TestWhatTextsSayIsSo PKG=./test/mount runs the matching tests of a package, and shows their output
	@exec bin/progress $(if $(TEST),-v -count=1 -run '$(TEST)') $(PKG)

DEPTH := 6
.PHONY: prove
prove: ## Check the rules against every sequence of DEPTH events (DEPTH=6)
##= five minutes and 5 GB of memory on two idle cores
	$(GO) test -v -count=1 -timeout 0 ./test/prove -depth $(DEPTH)

MUTANT :=
.PHONY: mutants
mutants: ## Remove the safeguards one at a time, and check that a test fails for each
##= one to two hours; MUTANT=engine/write.go removes only those of one file
	$(GO) test -v -count=1 -timeout 0 ./test/mutants -mutants -mutant '$(MUTANT)'

ROUNDS := 9
.PHONY: bench
bench: vault build ## Compare reads with those of a plugin that returns a constant, on a real Vault server; 13 minutes
##= ROUNDS=3 for a quick look; use an idle machine; writes bin/bench.json and bin/bench.svg
	@mkdir -p bin
	@$(GO) build -trimpath -o bin/bench ./test/bench
	@exec bin/bench -rounds $(ROUNDS) -json bin/bench.json -svg bin/bench.svg

READS := 1000000
PARTS := cold,refresh,outage,memory,mounts,leases
.PHONY: bench-fleet
bench-fleet: vault build ## Measure what a fleet of readers costs: 10,000 at a cold start, a refresh, an outage, memory, leases
##= 13 minutes on two idle cores; READS=100000 for a quick look, PARTS=cold,refresh for parts; writes bin/fleet.json
	@mkdir -p bin
	@$(GO) build -trimpath -o bin/bench ./test/bench
	@exec bin/bench -fleet -parts $(PARTS) -reads $(READS) -json bin/fleet.json

PROMTOOL := bin/promtool
.PHONY: monitoring
monitoring: vault build fake bin/jq $(PROMTOOL) ## Test examples/monitoring: the alerts with promtool, the exporter and the page with a real Vault server
##= a minute; three to five more the first time, to build promtool; PROMTOOL=/usr/bin/promtool uses an installed one
	$(GO) test -count=1 ./test/monitoring -promtool '$(abspath $(PROMTOOL))'
	$(GO) test -count=1 -timeout 50m -run 'TestScripts/^monitoring$$|TestTheDocumentsAreTrue/^examples$$/^monitoring$$' ./test/e2e

.PHONY: soak
soak: ## Run the simulation until you stop it or a promise is broken (SOAK_BATCH, SOAK_SEED)
	@bash scripts/soak.sh

.PHONY: fuzz
fuzz: ## Fuzz the parsers for 10 seconds each, three minutes in total (FUZZTIME=10m for longer, FUZZTARGET for some)
	@bash scripts/fuzz.sh

.PHONY: cover
cover: ## Measure coverage, fail if a package is below 90 percent, write bin/cover.html; two to four minutes
	@bash tools/cover.sh $(COVER_MIN) '$(COVER_MOUNT)' $(COVER_PACKAGES)

# The cheapest checks come first. `golangci-lint run` also checks the formatting. tofu
# must ignore the user's settings.
.PHONY: lint
lint: bin/golangci-lint bin/tofu bin/actionlint ## Check the code, its formatting, the modules, the scripts, the documents, examples/terraform and the workflows
##= less than a minute; five to eight minutes more the first time, to build the tools
	@find . \( -name .git -o -path ./bin \) -prune -o -type f \( -name '*.sh' -o -path ./.ci/run \) -print | \
		while IFS= read -r script; do bash -n "$$script" || exit 1; done
	TF_CLI_CONFIG_FILE=/dev/null bin/tofu fmt -check -diff -recursive examples/terraform
	bin/actionlint -shellcheck= -pyflakes=
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) test -count=1 ./test/documents
	bin/golangci-lint run ./...

VULNDB :=
STD := warn
.PHONY: vulncheck
vulncheck: bin/vulncheck ## Look for known vulnerabilities in the code that is called, and in the plugin, offline
##= one to two minutes; VULNDB=latest downloads the newest database instead of the pinned one
##= STD=fail fails for the standard library too, which only another Go release fixes
	@VULNDB='$(VULNDB)' STD='$(STD)' bash scripts/vulncheck.sh

.PHONY: openapi
openapi: vault build ## Write Vault's OpenAPI document to test/e2e/testdata/openapi.json, for review
	$(GO) test -count=1 -run TestTheOpenAPIDocumentOfVault ./test/e2e -update

.PHONY: schemas
schemas: ## Regenerate the schemas for examples/kubernetes from the sources in tools/kubeconform/main.go
	cd tools/kubeconform && GOWORK=off $(GO) run .

.PHONY: fmt
fmt: bin/golangci-lint bin/tofu ## Format the code
	bin/golangci-lint fmt
	TF_CLI_CONFIG_FILE=/dev/null bin/tofu fmt -recursive examples/terraform

MODULE :=
.PHONY: rename
rename: ## Move the module to MODULE=github.com/acme/vault-plugin-secrets-finicity
##= changes the go.mod files, the imports and the rules of the linter; the plugin keeps its name
	@bash scripts/rename.sh '$(MODULE)'

##: Try

.PHONY: demo
demo: vault build fake ## Show the engine at work on a real Vault server, in seconds: config, token, rotation
	@bash scripts/demo.sh

.PHONY: pictures
pictures: vault build fake ## Record what the demo prints, as docs/pictures/demo.svg
##= run it after you change scripts/demo.sh; make bench draws the chart, and the other pictures are edited by hand
	@bash scripts/record-demo.sh

.PHONY: dev
dev: vault build fake ## Start a Vault server with the engine mounted, for experiments
	@bash scripts/dev.sh

##: Clean

# Programs that take longer to build stay.
.PHONY: clean
clean: ## Remove the build output, except for the Vault server and the tools that take long to build
	@rm -rf dist bin/release bin/vault-plugin-secrets-finicity bin/fake-finicity bin/terraform-provider-vault bin/cover.* bin/*.log

.PHONY: distclean
distclean: ## Remove all build output, including these tools: the next make builds them again
	@rm -rf bin dist
