// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/confidential"
)

// Vault also starts a plugin just to read its metadata.
func TestAnEngineIsMadeWithoutStorageAndSystemView(t *testing.T) {
	t.Parallel()
	e := New(&framework.Backend{}, Options{})
	before := time.Now()
	if now := e.now(); now.Before(before.Add(-time.Second)) || now.Location() != time.UTC {
		t.Errorf("its wall clock shows %s", now)
	}
}

// A fingerprint of the credential is in storage. If the hash could be guessed, or
// compared between mounts, it would reveal the credential.
func TestAFingerprintShowsNothingAndDiffersFromMountToMount(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	take := func(storage logical.Storage, st *State) string {
		hash, err := New(&framework.Backend{}, Options{}).hasher(t.Context(), storage)
		if err != nil {
			t.Fatal(err)
		}
		return st.fingerprint(hash, confidential.New("first-secret"))
	}
	storage := &logical.InmemStorage{}
	st := proven("first-secret")
	own := take(storage, st)
	seen[own] = true
	if take(storage, st) != own {
		t.Error("after a restart, the same credential has another fingerprint")
	}
	shifted := st.clone() // The same characters in other places.
	shifted.PartnerID, shifted.AppKey = st.PartnerID+"k", confidential.New("ey")
	for _, fingerprint := range []string{take(&logical.InmemStorage{}, st), take(storage, shifted)} {
		if seen[fingerprint] {
			t.Error("another mount or another credential has the same fingerprint")
		}
		seen[fingerprint] = true
	}
	for fingerprint := range seen {
		if strings.Contains(fingerprint, "first-secret") || strings.Contains(fingerprint, st.AppKey.Reveal()) {
			t.Error("the fingerprint shows the credential")
		}
	}
}
