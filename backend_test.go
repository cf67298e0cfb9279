// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

// Vault also starts the plugin just to read its metadata, and then there is neither storage nor a system view.
func TestTheFactoryNeedsNeitherStorageNorSystemView(t *testing.T) {
	t.Parallel()
	b, err := Factory(t.Context(), &logical.BackendConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if b.Type() != logical.TypeLogical {
		t.Errorf("the type is %s", b.Type())
	}
	special := b.SpecialPaths()
	// Vault takes one that ends with a slash for a prefix, and no other.
	if special == nil || !slices.Equal(special.SealWrapStorage, []string{"config", "token", "attempts/"}) {
		t.Error("config, token and the attempt records are not seal-wrapped")
	}
	if special != nil && len(special.Unauthenticated) > 0 {
		t.Error("a path needs no Vault token")
	}
	versioner, ok := b.(logical.PluginVersioner)
	if !ok || versioner.PluginVersion().Version != Version {
		t.Error("it does not report the version that the linker has set")
	}
}

// One plugin process serves many mounts.
func TestMountsShareNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two := newConfigured(t, nil), newHarness(t)
		two.fails(two.read("token", nil), 400, "not configured")
		two.configure(fields{"partner_id": otherID, "partner_secret": otherSecret, "app_key": otherKey})
		one.pass(2 * time.Hour)
		one.down()
		one.fails(one.read("token", nil), 502)
		a := two.read("token", nil)
		two.succeeds(a)
		if a.data["partner_id"] != otherID || a.data["app_key"] != otherKey {
			t.Error("a mount serves the credential of another one")
		}
	})
}

// A secondary or a standby that answered by itself would make calls upstream, or serve what another node has replaced.
func TestEveryPathThatUsesTheCredentialIsForwardedToTheNodeThatMayWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		for _, state := range []consts.ReplicationState{
			consts.ReplicationPerformanceStandby, consts.ReplicationPerformanceSecondary,
		} {
			h.view.ReplicationStateVal = state
			for path, op := range map[string]logical.Operation{
				"token": logical.ReadOperation, "rotate-root": logical.UpdateOperation, "config": logical.UpdateOperation,
				"config/verify": logical.UpdateOperation,
			} {
				_, err := h.b.HandleRequest(t.Context(), &logical.Request{
					Operation: op, Path: path, Storage: h.storage, MountPoint: mount,
				})
				if !errors.Is(err, logical.ErrReadOnly) {
					t.Errorf("%s of %s is not forwarded", op, path)
				}
			}
			_, err := h.b.HandleRequest(t.Context(), &logical.Request{
				Operation: logical.DeleteOperation, Path: "config", Storage: h.storage, MountPoint: mount,
			})
			if !errors.Is(err, logical.ErrReadOnly) {
				t.Error("a delete of config is not forwarded")
			}
			h.succeeds(h.read("config", nil)) // That one needs storage only.
		}
		h.called(1, 0)
	})
}

func TestTheLockIsGivenToOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		if err := b.lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second one gets %v", err)
		}
		b.unlock()
		for range 50 { // Both are ready, and select takes either.
			if err := b.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("one whose time is up gets %v", err)
			}
		}
		if err := b.lock(t.Context()); err != nil {
			t.Errorf("those who gave up have kept the lock: %v", err)
		}
	})
}

func TestEveryPathHasHelpThatSaysWhatItTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for _, path := range h.b.Paths {
			if path.HelpSynopsis == "" || path.HelpDescription == "" {
				t.Errorf("%s has no help", path.Pattern)
			}
			for name, field := range path.Fields {
				if field.Description == "" {
					t.Errorf("%s: %s has no description", path.Pattern, name)
				}
			}
			for op, handler := range path.Operations {
				if handler.Properties().Summary == "" {
					t.Errorf("%s of %s has no summary", op, path.Pattern)
				}
			}
			resp, err := h.b.HandleRequest(t.Context(), &logical.Request{
				Operation: logical.HelpOperation, Path: strings.Trim(path.Pattern, "^$"), Storage: h.storage,
			})
			if err != nil || resp == nil || resp.Data["help"] == "" {
				t.Errorf("help for %s: %v", path.Pattern, err)
			}
		}
	})
}

// Somebody at a prompt learns from it what to type. That the commands are right is a test in api_doc_test.go.
func TestTheHelpSaysWhatToType(t *testing.T) {
	t.Parallel()
	b := newBackend()
	for _, path := range b.Paths {
		command := regexp.MustCompile(`(?m)^    vault (read|write)[a-z_= -]* finicity/` + path.Pattern + `( |$)`)
		for where, help := range map[string]string{"the mount": b.Help, path.Pattern: path.HelpDescription} {
			if !command.MatchString(help) {
				t.Errorf("the help of %s has no command for %s", where, path.Pattern)
			}
			for line := range strings.Lines(help) {
				if utf8.RuneCountInString(line) > 125 {
					t.Errorf("the help of %s has a line that is too long for a terminal: %s", where, line)
				}
			}
		}
	}
}

// A read and a delete have no body. A secret must never be there: proxies log addresses.
func TestOnlyTheFieldsOfReadsAndDeletesAreInTheQueryString(t *testing.T) {
	t.Parallel()
	for _, path := range newBackend().Paths {
		for name, field := range path.Fields {
			_, written := path.Operations[logical.UpdateOperation]
			_, deleted := path.Operations[logical.DeleteOperation]
			want := name == "min_ttl" || name == "force" && deleted
			if field.Query != want || !written && !field.Query {
				t.Errorf("%s: %s is in the query string: %v, want %v", path.Pattern, name, field.Query, want)
			}
		}
	}
}

// Vault's UI hides them, and its OpenAPI document marks them.
func TestSecretFieldsAreMarkedSensitive(t *testing.T) {
	t.Parallel()
	for name, field := range configFields() {
		want := name == "partner_secret" || name == "app_key"
		if got := field.DisplayAttrs != nil && field.DisplayAttrs.Sensitive; got != want {
			t.Errorf("%s is marked: %v, want %v", name, got, want)
		}
		if want && (field.Query || field.Default != nil || field.Type != framework.TypeString) {
			t.Errorf("%s is not a plain text in the body", name)
		}
	}
}

// For the race detector above all.
func TestOperationsAtTheSameTimeLeaveTheMountInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		var all []<-chan answer
		repeat := func(every time.Duration, do func() answer) {
			all = append(all, h.background(func() answer {
				last := do()
				for range 50 {
					h.pass(every)
					if last = do(); last.status >= 400 {
						break
					}
				}
				return last
			}))
		}
		for i := range 20 {
			repeat(time.Duration(i+1)*time.Minute, func() answer { return h.read("token", nil) })
		}
		repeat(11*time.Minute, func() answer { return h.read("token", fields{"min_ttl": "45m"}) })
		repeat(17*time.Minute, func() answer { return h.write("rotate-root", nil) })
		repeat(19*time.Minute, func() answer { return h.write("rotate-root", nil) })
		repeat(7*time.Minute, func() answer { return h.write("config", fields{"token_lifetime": "1h"}) })
		repeat(13*time.Minute, func() answer { return h.write("config", fields{"token_lifetime": "2h", "app_key": appKey}) })
		repeat(3*time.Minute, func() answer { return h.read("config", nil) })
		repeat(29*time.Minute, func() answer { return h.write("config/verify", nil) })
		repeat(23*time.Minute, func() answer {
			for _, key := range []string{configKey, tokenKey, h.ownKey(), "salt"} {
				h.b.InvalidateKey(t.Context(), key)
			}
			return answer{status: 200}
		})
		for _, one := range all {
			h.succeeds(<-one)
		}
		h.settled()
		if c := h.fake.Counters(partnerID); c.Rejected != 0 || c.SecretChanges != 102 {
			t.Errorf("%d wrong attempts, and %d changes of the secret", c.Rejected, c.SecretChanges)
		}
	})
}

// On another node they would see an older state, or fail where nothing may be written.
func TestEachPathGoesToTheNodeInCharge(t *testing.T) {
	t.Parallel()
	alone := map[string]bool{"read config": true, "update webhook/verify": true} // Storage, read only.
	for _, path := range newBackend().Paths {
		for op, handler := range path.Operations {
			properties := handler.Properties()
			want := !alone[string(op)+" "+path.Pattern]
			if properties.ForwardPerformanceStandby != want || properties.ForwardPerformanceSecondary != want {
				t.Errorf("%s %s is not forwarded as it should be", op, path.Pattern)
			}
		}
	}
}
