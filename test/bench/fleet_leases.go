// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// leasesResults are the times to remove a mount with that many leases, in two ways.
type leasesResults struct {
	Leases  int     `json:"leases"`
	Revoke  float64 `json:"revoke_seconds"`               // All leases with the prefix of the mount.
	Disable float64 `json:"disable_after_revoke_seconds"` // Then the mount.
	Alone   float64 `json:"disable_alone_seconds"`        // The mount with its leases.
}

// leases removes a mount whose readers have leases, once as the documentation says, and
// once without revoking them first.
func (f *fleet) leases(ctx context.Context, v *vault) error {
	finicity := newFinicity(2)
	defer finicity.close()
	r := leasesResults{Leases: f.leased}
	fmt.Printf("\nRemoving a mount with %d leases, raft storage\n", r.Leases)
	var err error
	timed := func(seconds *float64, method, path string, in any) {
		begun := time.Now()
		if err == nil {
			err = v.Call(ctx, method, path, in, nil)
			*seconds = time.Since(begun).Seconds()
		}
	}
	for i, mount := range []string{"revoked", "alone"} {
		if err := errors.Join(
			v.Mount(ctx, pluginName(f.engine), mount), v.Call(ctx, http.MethodPut, mount+"/config", finicity.config(i, nil), nil),
			v.readMany(ctx, r.Leases, func(int64) string { return mount + "/token" }),
		); err != nil {
			return err
		}
	}
	timed(&r.Revoke, http.MethodPut, "sys/leases/revoke-prefix/revoked/token", map[string]bool{"sync": true})
	timed(&r.Disable, http.MethodDelete, "sys/mounts/revoked", nil)
	timed(&r.Alone, http.MethodDelete, "sys/mounts/alone", nil)
	if err != nil {
		return fmt.Errorf("removing a mount, which must end within 90 seconds: %w", err)
	}
	f.results.Leases = &r
	fmt.Printf("  revoke the leases: %.1f s, then disable the mount: %.2f s\n  disable the mount without revoking its leases: %.1f s\n",
		r.Revoke, r.Disable, r.Alone)
	return nil
}
