// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewSecretsComeFromThePasswordPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		n := 0
		h.view.SetPasswordPolicy("finicity", func() (string, error) {
			n++
			return "By-The-Policy-1234567890-" + strings.Repeat("x", n), nil
		})
		h.configure(fields{"password_policy": "finicity"})
		h.rotate()
		if got := h.stored().Credential.Current; !strings.HasPrefix(got, "By-The-Policy") {
			t.Error("the secret was made otherwise")
		}
		h.succeeds(h.write("config", fields{"password_policy": ""}))
		h.rotate()
		if got := h.stored().Credential.Current; strings.HasPrefix(got, "By-The-Policy") || len(got) != generatedLength {
			t.Error("the secret was still made by the policy")
		}
		h.settled()
	})
}

// All that an operator sees of it otherwise is a rotation that fails a month later.
func TestAPolicyIsTriedWhenItIsWritten(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secret, says string
		err          error
	}{
		"none of this name":   {"", "Vault makes no secret by the policy", errors.New("an opaque error")},
		"too short":           {"Short-1", "has 7 characters", nil},
		"too long":            {strings.Repeat("x1", 128), "has 256 characters", nil},
		"without a digit":     {"No-Digit-In-It", "has no digit", nil},
		"without a letter":    {"123456789012", "has no letter", nil},
		"with another sign":   {"With-A-Tilde-1~", "other than letters", nil},
		"always the same one": {partnerSecret, "that it had made before", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				before, _ := h.storage.peek(configKey)
				h.words.add(test.secret)
				h.view.SetPasswordPolicy("bad", func() (string, error) { return test.secret, test.err })
				h.fails(h.write("config", fields{"password_policy": "bad", "token_lifetime": "1h"}), 400,
					`field "password_policy"`, `"bad"`, test.says, "vault read sys/policies/password/bad")
				if after, _ := h.storage.peek(configKey); !bytes.Equal(before, after) {
					t.Error("something was stored")
				}
				h.called(1, 0)
			})
		})
	}
}

func TestAPolicyThatWasDeletedSendsNothingAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.view.SetPasswordPolicy("finicity", func() (string, error) { return "By-The-Policy-1234567890", nil })
		h.configure(fields{"password_policy": "finicity", "rotation_period": "1h"})
		h.view.DeletePasswordPolicy("finicity")
		h.fails(h.write("rotate-root", nil), 400, `field "password_policy"`, `"finicity"`)
		h.succeeds(h.write("config", fields{"token_lifetime": "1h"})) // Another setting can be written all the same.
		h.pass(time.Hour)
		h.tick()
		h.called(1, 0)
		if text, _ := h.read("status", nil).data["last_rotation_error"].(string); !strings.Contains(text, "password_policy") {
			t.Errorf("the status says %q", text)
		}
		if h.stored().Credential.Pending != nil {
			t.Error("something is pending")
		}
	})
}

// One rotation in four would fail, months later.
func TestAPolicyThatIsGoodByChanceIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		n := 0
		h.view.SetPasswordPolicy("by chance/ünd mit Leerzeichen", func() (string, error) {
			if n++; n%4 == 0 {
				return "No-Digit-This-Time", nil
			}
			return fmt.Sprintf("With-Number-%d", n), nil
		})
		h.fails(h.write("config", credentials(fields{"password_policy": "by chance/ünd mit Leerzeichen"})), 400, "has no digit")
		h.called(0, 0)
	})
}
