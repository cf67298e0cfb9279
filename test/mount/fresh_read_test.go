// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"

	finicity "vault-plugin-secrets-finicity"
	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// silent is a Vault system view that the engine must not use any more.
type silent struct{ logical.SystemView }

// freshMount returns a mount with a fresh token that was just read, and the request for
// it.
func freshMount(tb testing.TB, vault logical.SystemView) (logical.Backend, *logical.Request) {
	tb.Helper()
	fake := fakefinicity.New(fakefinicity.Config{Partners: []fakefinicity.Partner{
		{ID: mounttest.PartnerID, Secret: mounttest.PartnerSecret, AppKey: mounttest.AppKey},
	}})
	tb.Cleanup(fake.Close)
	b, err := finicity.NewFactory(engine.Options{Dial: fake.Dialer()})(tb.Context(), &logical.BackendConfig{
		Logger: hclog.NewNullLogger(), System: vault,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Cleanup(context.Background()) })
	s := &logical.InmemStorage{}
	for _, req := range []*logical.Request{
		{Operation: logical.CreateOperation, Path: "config", Data: mounttest.Credentials(nil)},
		{Operation: logical.ReadOperation, Path: "token"},
	} {
		req.Storage = s
		resp, err := b.HandleRequest(tb.Context(), req)
		if err != nil || resp.IsError() {
			tb.Fatalf("%s of %s failed", req.Operation, req.Path)
		}
	}
	return b, &logical.Request{Operation: logical.ReadOperation, Path: "token", MountPoint: mounttest.DefaultMount, Storage: s}
}

// Any use of storage or of Vault's system view would fail this test, because there is
// none. It does not run in parallel, because it counts the allocations of the whole
// process.
func TestAReadOfAFreshTokenAsksNothingAndAllocatesLittle(t *testing.T) {
	vault := &silent{logical.TestSystemView()}
	mount, req := freshMount(t, vault)
	vault.SystemView, req.Storage = nil, nil
	const most = 25
	for _, path := range []string{"token", "static-token"} {
		req.Path = path
		if n := testing.AllocsPerRun(100, func() {
			if resp, err := mount.HandleRequest(t.Context(), req); err != nil || resp.IsError() {
				t.Errorf("a read of %s failed", path)
			}
		}); n > most {
			t.Errorf("%.0f allocations for %s, want at most %d", n, path, most)
		}
	}
}

// The engine caches Vault's settings of the mount, but not for long.
func TestALowerLeaseLimitOfTheMountIsRespectedWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Token()
		h.View.MaxLeaseTTLVal = time.Hour
		h.Pass(5 * time.Second)
		if a := h.Read("token", nil); a.Data["ttl"] != int64(3600) {
			t.Errorf("the ttl is %v", a.Data["ttl"])
		}
	})
}

// A node that has just become the active node answers, and so does a node whose Vault
// did not answer a moment ago.
func TestAnotherNodesTakeoverIsNotRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.View.ReplicationStateVal = consts.ReplicationPerformanceStandby
		if a := h.Read("token", nil); a.Status == http.StatusOK {
			t.Error("a standby node has answered")
		}
		h.View.ReplicationStateVal, h.View.LocalMountVal = consts.ReplicationPerformanceSecondary, true
		h.Token()
		h.View.ReplicationStateVal, h.View.LocalMountVal = 0, false
		h.Token()

		h.Restart()
		limit := h.View.MaxLeaseTTLVal
		h.View.MaxLeaseTTLVal = 0 // That is the answer if the call to Vault fails.
		h.Token()
		h.View.MaxLeaseTTLVal = time.Hour
		if a := h.Read("token", nil); a.Data["ttl"] != int64(3600) {
			t.Errorf("the ttl is %v", a.Data["ttl"])
		}
		h.View.MaxLeaseTTLVal = limit
	})
}

func BenchmarkReadOfAFreshToken(b *testing.B) {
	mount, req := freshMount(b, logical.TestSystemView())
	b.ReportAllocs()
	for b.Loop() {
		if resp, err := mount.HandleRequest(b.Context(), req); err != nil || resp.IsError() {
			b.Fatal("the read failed")
		}
	}
}

func BenchmarkReadOfAFreshTokenInParallel(b *testing.B) {
	mount, req := freshMount(b, logical.TestSystemView())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if resp, err := mount.HandleRequest(b.Context(), req); err != nil || resp.IsError() {
				b.Error("the read failed")
				return
			}
		}
	})
}
