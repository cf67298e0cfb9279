// SPDX-License-Identifier: MPL-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// pluginProcess returns the process that runs this program for the server. This file
// works only on Linux; on other systems, the figures of the plugin's process are left
// out.
func (v *vault) pluginProcess(program string) (int, error) {
	pids, err := v.pluginProcesses(program)
	if err == nil && len(pids) != 1 {
		err = fmt.Errorf("%d processes run %s, want 1", len(pids), program)
	}
	if err != nil {
		return 0, err
	}
	return pids[0], nil
}

func (v *vault) pluginProcesses(program string) ([]int, error) {
	pids, err := v.Plugins()
	return slices.DeleteFunc(pids, func(pid int) bool {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		return err != nil || filepath.Base(exe) != program
	}), err
}

// statOf returns the fields after the name in /proc/PID/stat, which may contain any
// character: the state, the parent, …
func statOf(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return nil, fmt.Errorf("%s has an unexpected format", file)
	}
	return fields, nil
}

// cpuTime returns the CPU time that a process has used so far, in steps of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	fields, err := statOf(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	var user, system int64
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	return time.Duration(user+system) * 10 * time.Millisecond, err // USER_HZ is 100 on Linux.
}

// memory returns the resident memory of a process, in KiB.
func memory(pid int) (resident int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			_, err := fmt.Sscan(value, &resident)
			return resident, err
		}
	}
	return 0, errors.New("the memory of the process is unknown")
}
