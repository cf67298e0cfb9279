// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestNewSecretsComeFromThePasswordPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		n := 0
		h.View.SetPasswordPolicy("finicity", func() (string, error) {
			n++
			return "By-The-Policy-1234567890-" + strings.Repeat("x", n), nil
		})
		h.Configure(mounttest.Fields{"password_policy": "finicity"})
		h.Rotate()
		if got := storedCurrent(h); !strings.HasPrefix(got, "By-The-Policy") {
			t.Error("the secret was made otherwise")
		}
		h.Succeeds(h.Write("config", mounttest.Fields{"password_policy": ""}))
		h.Rotate()
		if got := storedCurrent(h); strings.HasPrefix(got, "By-The-Policy") || len(got) != 40 {
			t.Error("the secret was still made by the policy")
		}
		h.Resolved()
	})
}

// Otherwise the operator would only notice a rotation that fails a month later.
func TestAPolicyIsTriedWhenItIsWritten(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secret, says string
		err          error
	}{
		"none of this name":   {"", "does not exist or failed", errors.New("an opaque error")},
		"too short":           {"Short-1", "has 7 characters", nil},
		"too long":            {strings.Repeat("x1", 128), "has 256 characters", nil},
		"without a digit":     {"No-Digit-In-It", "has no digit", nil},
		"without a letter":    {"123456789012", "has no letter", nil},
		"with another sign":   {"With-A-Tilde-1~", "other than letters", nil},
		"always the same one": {mounttest.PartnerSecret, "that it had generated before", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				before := h.Stored()
				h.Leaks.Add(test.secret)
				h.View.SetPasswordPolicy("bad", func() (string, error) { return test.secret, test.err })
				h.Fails(h.Write("config", mounttest.Fields{"password_policy": "bad", "token_lifetime": "1h"}), 400,
					`field "password_policy"`, `"bad"`, test.says, "vault read sys/policies/password/bad")
				// Before anything is sent, so that it costs no attempt.
				h.Fails(h.Write("config", mounttest.Fields{"password_policy": "bad", "partner_secret": mounttest.WrongSecret}), 400,
					`field "password_policy"`)
				h.Unchanged(before)
				h.Called(1, 0)
			})
		})
	}
}

func TestAPolicyThatWasDeletedSendsNothingAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		n := 0
		h.View.SetPasswordPolicy("finicity", func() (string, error) {
			n++
			return fmt.Sprintf("By-The-Policy-%d", 1000+n), nil
		})
		h.Configure(mounttest.Fields{"password_policy": "finicity", "rotation_period": "1h"})
		h.View.DeletePasswordPolicy("finicity")
		h.Fails(h.Write("rotate-root", nil), 400, `field "password_policy"`, `"finicity"`)
		h.Succeeds(h.Write("config", mounttest.Fields{"token_lifetime": "1h"})) // Another setting can still be written.
		h.Pass(time.Hour)
		h.Tick()
		h.Called(1, 0)
		if text := says(h, "last_rotation_error"); !strings.Contains(text, "password_policy") {
			t.Errorf("the status says %q", text)
		}
		if _, pending := h.Stored().Secrets.Pending(); pending {
			t.Error("something is pending")
		}
	})
}

// One rotation in four would fail, months later.
func TestAPolicyThatIsGoodByChanceIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		n := 0
		h.View.SetPasswordPolicy("by chance/ünd mit Leerzeichen", func() (string, error) {
			if n++; n%4 == 0 {
				return "No-Digit-This-Time", nil
			}
			return fmt.Sprintf("With-Number-%d", n), nil
		})
		h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{
			"password_policy": "by chance/ünd mit Leerzeichen",
		})), 400, "has no digit")
		h.Called(0, 0)
	})
}

// The policy was fine when it was written. Later it is changed and returns secrets that
// were in effect before. One of them is in operators' scripts, and the engine refuses
// to use it again.
func TestAPolicyBringsNoSecretBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		n := 0
		h.View.SetPasswordPolicy("finicity", func() (string, error) {
			n++
			return fmt.Sprintf("By-The-Policy-%d", 1000+n), nil
		})
		h.Configure(mounttest.Fields{"password_policy": "finicity"})
		h.Rotate()
		first := storedCurrent(h)
		h.Rotate()
		for _, old := range []string{mounttest.PartnerSecret, first, storedCurrent(h)} {
			h.View.SetPasswordPolicy("finicity", func() (string, error) { return old, nil })
			h.Fails(h.Write("rotate-root", nil), 400, `field "password_policy"`, "that it had generated before")
		}
		h.Called(3, 2)
		use(h, 6*day) // A secret that is no longer stored is recognized by its hash.
		h.View.SetPasswordPolicy("finicity", func() (string, error) { return first, nil })
		h.Fails(h.Write("rotate-root", nil), 400, `field "password_policy"`, "that it had generated before")
		if n := changes(h); n != 2 {
			t.Errorf("%d changes were sent, want 2", n)
		}
		h.Resolved()
	})
}
