// SPDX-License-Identifier: MPL-2.0

// Command vulnerable calls a function that has the known vulnerability GO-2020-0036.
// scripts/vulncheck.sh fails unless govulncheck finds it.
package main

import (
	"fmt"

	"gopkg.in/yaml.v2"
)

func main() {
	var value any
	fmt.Println(yaml.Unmarshal([]byte("a: 1"), &value), value)
}
