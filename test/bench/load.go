// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// load is what some connections have done together.
type load struct {
	took  time.Duration
	waits []time.Duration // of each request
}

// read sends the same request over each of the connections, one after the other, for that long. A net/http client would take
// about as much of the machine as the server that is measured, so the request is written as it is.
func read(ctx context.Context, address, token, path string, connections int, during time.Duration) (*load, error) {
	request := fmt.Appendf(nil, "GET /v1/%s HTTP/1.1\r\nHost: %s\r\nX-Vault-Token: %s\r\n\r\n", path, address, token)
	open := make([]net.Conn, 0, connections)
	defer func() {
		for _, conn := range open {
			_ = conn.Close() // Nothing is expected of it any more.
		}
	}()
	for range connections {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		open = append(open, conn)
	}

	waits, failures := make([][]time.Duration, connections), make([]error, connections)
	begun := time.Now()
	var all sync.WaitGroup
	for i, conn := range open {
		all.Go(func() {
			answers := bufio.NewReader(conn)
			for sent := time.Now(); sent.Sub(begun) < during && ctx.Err() == nil; {
				if failures[i] = ask(conn, answers, request); failures[i] != nil {
					return
				}
				now := time.Now()
				waits[i] = append(waits[i], now.Sub(sent))
				sent = now
			}
		})
	}
	all.Wait()
	l := &load{time.Since(begun), slices.Concat(waits...)}
	if err := cmp.Or(ctx.Err(), errors.Join(failures...)); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return l, nil
}

func ask(conn net.Conn, answers *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // Read to its end below.
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return nil
}

func (l *load) perSecond() float64 { return float64(len(l.waits)) / l.took.Seconds() }
