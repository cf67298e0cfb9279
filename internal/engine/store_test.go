// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"errors"
	"strings"
	"testing"
)

func TestAReadOnlyMountNamesTheCommandThatRepairsIt(t *testing.T) {
	t.Parallel()
	const command = "vault operator step-down"
	// The error as gRPC delivers it.
	missing := errors.New("rpc error: code = Unknown desc = cannot write to storage during setup")
	if err := storageError(missing); !errors.Is(err, missing) || !strings.Contains(err.Error(), command) {
		t.Errorf("the error is %v", err)
	}
	full := errors.New("no space left on device")
	if err := storageError(full); !errors.Is(err, full) || strings.Contains(err.Error(), command) {
		t.Errorf("the error is %v", err)
	}
}
