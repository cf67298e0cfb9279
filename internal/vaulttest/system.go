// SPDX-License-Identifier: MPL-2.0

package vaulttest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// LongestTMPDIR is the longest path of a TMPDIR, in bytes, in which Vault can start
// plugins. The path of a plugin's socket can have at most 103 bytes on macOS, and 107
// on Linux. With a longer path, Vault reports "not compiled for this architecture".
const LongestTMPDIR = 103 - len("/plugin1234567890")

// ShortFolder creates a folder below the first parent in which its path is short enough
// for plugins.
func ShortFolder(name string, parents ...string) (string, error) {
	var all error
	for _, parent := range parents {
		dir, err := os.MkdirTemp(parent, name)
		if err == nil && len(dir) > LongestTMPDIR {
			err = fmt.Errorf("%s is too long a path for the socket of a plugin", dir)
			_ = os.Remove(dir) // It is empty.
		}
		if err == nil {
			return dir, nil
		}
		all = errors.Join(all, err)
	}
	return "", fmt.Errorf("%w\nset TMPDIR to a folder with a shorter path", all)
}

// FreePort returns a port of the loopback address on which no process listens.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // It takes no time.
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }() // Nothing is connected to it.
	addr, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("not a TCP address")
	}
	return addr.Port, nil
}

// Process is a process of this machine.
type Process struct{ ID, Parent, Group, Session int }

// Processes returns all running processes. Some small Linux machines have no ps. Other
// systems have no /proc, and no session number.
func Processes() (all []Process, err error) {
	script := "ps -A -o pid=,ppid=,pgid=,stat= | while read -r id parent group state; do echo $id $parent $group 0 $state; done"
	if runtime.GOOS == "linux" {
		script = `for stat in /proc/[0-9]*/stat; do
			read -r line <"$stat" || continue
			rest=${line##*) } # The name in parentheses may hold anything.
			set -- $rest
			echo "${line%% *} $2 $3 $4 $1"
		done 2>/dev/null`
	}
	out, err := exec.Command("bash", "-c", script).Output() //nolint:noctx // It takes no time.
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(out)) {
		var p Process
		var state string
		if _, err := fmt.Sscan(line, &p.ID, &p.Parent, &p.Group, &p.Session, &state); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(state, "Z") { // A zombie has ended, but its parent has not waited for it yet.
			all = append(all, p)
		}
	}
	return all, nil
}
