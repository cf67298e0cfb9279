// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// serve is a Vault server that answers the nth read in this way.
func serve(t *testing.T, answer func(n int64) (status int, body string)) *vault {
	t.Helper()
	var reads atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status, body := answer(reads.Add(1))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // The reader is connected.
	}))
	t.Cleanup(server.Close)
	return &vault{Server: &vaulttest.Server{Address: server.URL, RootToken: "root"}}
}

func TestABurstCountsServedReadersAndDifferentTokens(t *testing.T) {
	t.Parallel()
	v := serve(t, func(n int64) (int, string) {
		switch n {
		case 1:
			return http.StatusServiceUnavailable, `{"errors":["x"]}`
		case 2:
			return http.StatusOK, `{"data":{}}`
		}
		return http.StatusOK, fmt.Sprintf(`{"data":{"token":"T%d"}}`, n%2)
	})
	open, err := connect(t.Context(), v.HostPort(), 10)
	defer hangUp(open)
	if err != nil {
		t.Fatal(err)
	}
	if b := v.all(open, "finicity/token"); b.served != 8 || b.tokens != 2 {
		t.Errorf("%+v", b)
	}
	if b := v.all(open, "finicity/token"); b.served != 10 || b.err != nil { // On the same connections.
		t.Errorf("the second time: %+v", b)
	}
}

func TestEveryReadOfTheMemoryMeasurementIsDoneAndMustSucceed(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	v := serve(t, func(n int64) (int, string) { reads.Store(n); return http.StatusOK, "{}" })
	path := func(int64) string { return "finicity/static-token" }
	if err := v.readMany(t.Context(), 1000, path); err != nil || reads.Load() != 1000 {
		t.Errorf("%d reads: %v", reads.Load(), err)
	}
	v = serve(t, func(n int64) (int, string) {
		if n == 500 {
			return http.StatusBadRequest, "{}"
		}
		return http.StatusOK, "{}"
	})
	if err := v.readMany(t.Context(), 1000, path); err == nil || !strings.Contains(err.Error(), "1 of 1000 reads have failed") {
		t.Errorf("with a failure: %v", err)
	}
}

func TestMemoryIsMeasuredAfterEachPowerOfTenAndAtTheEnd(t *testing.T) {
	t.Parallel()
	for reads, want := range map[int][]int{
		500: {500}, 10_000: {10_000}, 30_000: {10_000, 30_000}, 1_000_000: {10_000, 100_000, 1_000_000},
	} {
		if got := stages(reads); !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v", reads, got, want)
		}
	}
}

func TestARequirementThatIsNotMetIsRemembered(t *testing.T) {
	t.Parallel()
	f := fleet{}
	f.require(true, "%d is met", 1)
	f.require(false, "%d is not met", 2)
	if !slices.Equal(f.results.Failures, []string{"2 is not met"}) {
		t.Errorf("%v", f.results.Failures)
	}
}

func TestEveryPartOfTheFleetCanBeChosen(t *testing.T) {
	t.Parallel()
	f := fleet{}
	if err := f.choose(everyPart); err != nil || len(f.parts) != len(f.measurements()) {
		t.Errorf("%v: %v", f.parts, err)
	}
	if err := f.choose("cold,warm"); err == nil || !strings.Contains(err.Error(), `no part "warm"`) {
		t.Errorf("another one: %v", err)
	}
}

func TestLatencyIsThatOfAllReads(t *testing.T) {
	t.Parallel()
	var waits []time.Duration
	for i := range 100 {
		waits = append(waits, time.Duration(100-i)*time.Millisecond)
	}
	if got := latencyOf(waits); got != (latency{100, 51, 100, 100}) {
		t.Errorf("%+v", got)
	}
}
