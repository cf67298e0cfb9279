// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Dialer returns a function for http.Transport.DialContext that connects to the mock
// server in memory, for any address.
//
// A real [http.Server] serves each connection over net.Pipe, so it works inside a
// testing/synctest bubble. Its goroutines end when the client closes the connection
// (http.Transport.CloseIdleConnections), or with [Server.Close]. Only plain HTTP works:
// use a base URL such as http://127.0.0.1.
func (s *Server) Dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		client, server := net.Pipe()
		// Serve returns once it has accepted the only connection.
		if err := s.pipes.Serve(&oneConnection{conn: server}); !errors.Is(err, errHandedOver) {
			return nil, errors.Join(fmt.Errorf("dialing the mock server: %w", err), client.Close(), server.Close())
		}
		return client, nil
	}
}

var errHandedOver = errors.New("the connection is handed over")

// oneConnection is a listener with a single connection. Unlike a real listener, it
// needs no goroutine.
type oneConnection struct {
	conn net.Conn
}

func (l *oneConnection) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, errHandedOver
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}

func (*oneConnection) Close() error { return nil }

func (l *oneConnection) Addr() net.Addr { return &net.UnixAddr{Name: "fakefinicity", Net: "pipe"} }
