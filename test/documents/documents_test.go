// SPDX-License-Identifier: MPL-2.0

// Package documents checks the documents, the pictures and the words that the project
// uses: against the code, against each other, and against the style guide.
package documents

import (
	"fmt"
	"os"
	"testing"
)

// The tests read files by their paths in the repository.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
