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

// load is the result of the requests over several connections.
type load struct {
	took  time.Duration
	waits []time.Duration // Of each request.
}

// read sends the same request over each of the connections, again and again, for the
// given time.
func read(ctx context.Context, address, token, path string, connections int, during time.Duration) (*load, error) {
	request := request(address, token, path)
	open, err := connect(ctx, address, connections)
	defer hangUp(open)
	if err != nil {
		return nil, err
	}

	waits, failures := make([][]time.Duration, connections), make([]error, connections)
	begun := time.Now()
	var all sync.WaitGroup
	for i, c := range open {
		all.Go(func() {
			for sent := time.Now(); sent.Sub(begun) < during && ctx.Err() == nil; {
				if failures[i] = c.ask(request, io.Discard); failures[i] != nil {
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

func (l *load) perSecond() float64 { return float64(len(l.waits)) / l.took.Seconds() }

// connection is a connection to a Vault server. A net/http client would need about as
// much of the machine as the measured server, so requests are written directly.
type connection struct {
	conn    net.Conn
	answers *bufio.Reader
}

// connect opens n connections. If one fails, it returns those that are open.
func connect(ctx context.Context, address string, n int) (open []*connection, err error) {
	for range n {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return open, fmt.Errorf("connection %d: %w", len(open)+1, err)
		}
		open = append(open, &connection{conn, bufio.NewReader(conn)})
	}
	return open, nil
}

func hangUp(open []*connection) {
	for _, c := range open {
		_ = c.conn.Close() // The connection is no longer needed.
	}
}

func request(address, token, path string) []byte {
	return fmt.Appendf(nil, "GET /v1/%s HTTP/1.1\r\nHost: %s\r\nX-Vault-Token: %s\r\n\r\n", path, address, token)
}

// statusError is the error for an answer other than 200. The connection is still usable
// after it.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("HTTP %d", int(e)) }

// ask sends a request, and writes the body of the answer.
func (c *connection) ask(request []byte, body io.Writer) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // Read to its end below.
	if _, err := io.Copy(body, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return statusError(resp.StatusCode)
	}
	return nil
}
