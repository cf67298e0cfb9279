// SPDX-License-Identifier: MPL-2.0

// Package vso makes the decisions of the Vault Secrets Operator for a
// VaultDynamicSecret with allowStaticCreds: true: how it interprets a response of
// Vault, and when it reads again. The tests of static-token use it.
//
// The rules are those of version 1.4.1, controllers/vaultdynamicsecret_controller.go.
// The operator's license is BUSL-1.1, so this is independent code and not a copy.
package vso

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Rotation is what the operator stores in the status of the resource, all in seconds.
type Rotation struct {
	Last     int64 // last_vault_rotation, since 1970
	Period   int64 // rotation_period
	Schedule string
	TTL      int64
}

// Of reads the rotation from a response of Vault, as JSON. The operator logs the
// errors, and retries.
func Of(response []byte) (Rotation, error) {
	var answer struct {
		Renewable bool
		Data      map[string]any
	}
	decoder := json.NewDecoder(bytes.NewReader(response))
	decoder.UseNumber() // As in Vault's own client. A number in quotes stays a text.
	if err := decoder.Decode(&answer); err != nil {
		return Rotation{}, err
	}
	if answer.Renewable {
		return Rotation{}, errors.New("a lease that can be renewed takes precedence")
	}
	var r Rotation
	switch last := answer.Data["last_vault_rotation"].(type) {
	case nil:
	case string:
		at, err := time.Parse(time.RFC3339Nano, last)
		if err != nil {
			return Rotation{}, fmt.Errorf("last_vault_rotation: %w", err)
		}
		r.Last = at.Unix()
	default:
		return Rotation{}, errors.New("last_vault_rotation is not a string, so the operator panics")
	}
	for name, into := range map[string]*int64{"rotation_period": &r.Period, "ttl": &r.TTL} {
		switch value := answer.Data[name].(type) {
		case nil:
		case json.Number:
			whole, err := value.Int64()
			if err != nil {
				return Rotation{}, fmt.Errorf("%s: %w", name, err)
			}
			*into = whole
		default:
			return Rotation{}, fmt.Errorf("%s is not a number", name)
		}
	}
	r.Schedule, _ = answer.Data["rotation_schedule"].(string)
	return r, nil
}

// ReadsAgain reports whether the operator reads again at all. Otherwise the Secret does
// not change, and the resource stays Ready.
func (r Rotation) ReadsAgain() bool {
	return r.Last > 0 && (r.Period >= 1 || r.Schedule != "")
}

// Wait is how long the operator waits before its next read. Its jitter is random, at
// least 0 and less than 1.
func (r Rotation) Wait(jitter float64) time.Duration {
	wait := time.Second
	if r.TTL > 0 {
		wait = time.Duration(r.TTL) * time.Second
		if r.Period > 0 {
			wait += 500 * time.Millisecond
		}
	}
	const maximum = 150 * time.Millisecond // 5 percent of 3 seconds
	return wait + time.Duration(jitter*float64(maximum))
}
