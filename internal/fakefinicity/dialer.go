// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Dialer returns a function for http.Transport.DialContext that reaches the stand-in in memory, whatever the address.
// Each connection is served by a real [http.Server] over net.Pipe, so it works inside a testing/synctest bubble. Its
// goroutines end when the connection is closed by the client (http.Transport.CloseIdleConnections) or by
// [Server.Close]. Plain HTTP only: the base URL is one like http://127.0.0.1.
func (s *Server) Dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		client, server := net.Pipe()
		// Serve returns as soon as the one connection is handed over.
		if err := s.pipes.Serve(&oneConnection{conn: server}); !errors.Is(err, errHandedOver) {
			return nil, errors.Join(fmt.Errorf("dialling the stand-in: %w", err), client.Close(), server.Close())
		}
		return client, nil
	}
}

var errHandedOver = errors.New("the connection is handed over")

// oneConnection is a listener with a single connection. It needs no goroutine of its own, as a listening one would.
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
