// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"
)

// burst is the result of reads that all begin at the same moment.
type burst struct {
	served int
	tokens int           // Different ones.
	took   time.Duration // Until the last answer, so the longest wait.
	err    error         // The first failure.
}

// all makes each connection read the path, all at the same moment.
func (v *vault) all(open []*connection, path string) burst {
	request := request(v.HostPort(), v.RootToken, path)
	bodies, failures := make([]bytes.Buffer, len(open)), make([]error, len(open))
	start := make(chan struct{})
	var readers sync.WaitGroup
	for i, c := range open {
		readers.Go(func() {
			<-start
			failures[i] = c.ask(request, &bodies[i])
		})
	}
	begun := time.Now()
	close(start)
	readers.Wait()

	b := burst{took: time.Since(begun)}
	tokens := map[string]struct{}{}
	for i := range open {
		var answer struct{ Data struct{ Token string } }
		switch err := errors.Join(failures[i], json.Unmarshal(bodies[i].Bytes(), &answer)); {
		case err == nil && answer.Data.Token != "":
			tokens[answer.Data.Token] = struct{}{}
			b.served++
		case b.err == nil:
			b.err = err
		}
	}
	b.tokens = len(tokens)
	return b
}

// sample is one read.
type sample struct {
	path  string
	begun time.Time
	wait  time.Duration
	err   error
}

func (s sample) ended() time.Time { return s.begun.Add(s.wait) }

// keepReading reads over each connection, one path after the other. Before each read,
// connection i calls next for the path; more is false at the end. After each read it
// calls note, never twice at the same time.
func (v *vault) keepReading(ctx context.Context, connections int, next func(i int) (path string, more bool), note func(sample)) error {
	open, err := connect(ctx, v.HostPort(), connections)
	defer hangUp(open)
	if err != nil {
		return err
	}
	var noting sync.Mutex
	var all sync.WaitGroup
	for i, c := range open {
		all.Go(func() {
			requests := map[string][]byte{}
			for ctx.Err() == nil {
				path, more := next(i)
				if !more {
					return
				}
				if requests[path] == nil {
					requests[path] = request(v.HostPort(), v.RootToken, path)
				}
				s := sample{path: path, begun: time.Now()}
				s.err = c.ask(requests[path], io.Discard)
				s.wait = time.Since(s.begun)
				noting.Lock()
				note(s)
				noting.Unlock()
				if status := statusError(0); s.err != nil && !errors.As(s.err, &status) {
					return // The connection is closed.
				}
			}
		})
	}
	all.Wait()
	return ctx.Err()
}
