// Package heldclose works around a fault of kfake, the Kafka broker of tests and examples: use [Listen] with kfake.ListenFn.
//
// If the connection of a group member is gone at the moment when kfake answers its parked JoinGroup, kfake starts no session
// timer for that member ((*group).reply returns before updateHeartbeat, kfake of 2026-09-18), and the member keeps its place in
// the group for ever. Apache Kafka expires it after one session. The listener keeps the end of a connection from kfake until kfake
// has answered every request that it has read there. TestKfakeKeepsAMemberWhoseConnectionIsGone shows the fault, and fails
// when kfake is mended: this package can go then.
package heldclose

import (
	"encoding/binary"
	"net"
	"sync"
)

// Listen is [net.Listen], with connections that return an error of Read only when all requests are answered, or the connection
// was closed on this side. It cannot see the requests of connections with TLS, and leaves them alone. A connection with a request that
// Kafka does not answer (Produce with acks=0) ends when the broker closes it.
func Listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return listener{l}, nil
}

type listener struct{ net.Listener }

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	held := &conn{Conn: c}
	held.changed.L = &held.mu
	return held, nil
}

// conn counts the requests that were read from it and the responses that were written to it.
type conn struct {
	net.Conn

	mu                  sync.Mutex // guards the fields below
	changed             sync.Cond
	requests, responses frames
	// released is set when nothing is to be waited for: with TLS, after a failed write, and after Close.
	released bool
}

// Read implements [net.Conn].
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.released = c.released || c.requests.begin() && n > 0 && p[0] == handshake
	c.requests.pass(p[:n])
	for err != nil && !c.released && c.responses.ended < c.requests.ended {
		c.changed.Wait()
	}
	return n, err
}

// Write implements [net.Conn].
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.responses.pass(p[:n])
	c.released = c.released || err != nil
	c.changed.Broadcast()
	return n, err
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.mu.Lock()
	c.released = true
	c.changed.Broadcast()
	c.mu.Unlock()
	return c.Conn.Close()
}

// handshake is the first byte of a connection with TLS. A request of Kafka begins with 0, unless it is larger than 16 MiB.
const handshake = 0x16

// frames counts messages of Kafka's protocol in a stream of bytes: each is a length of 4 bytes, and so many bytes.
type frames struct {
	ended int
	size  [4]byte
	have  int    // of size
	left  uint32 // of the message, once its size is complete
}

// begin reports whether nothing has passed yet.
func (f *frames) begin() bool { return f.ended == 0 && f.have == 0 }

func (f *frames) pass(data []byte) {
	for len(data) > 0 {
		if f.have < len(f.size) {
			n := copy(f.size[f.have:], data)
			f.have += n
			data = data[n:]
			f.left = binary.BigEndian.Uint32(f.size[:])
		} else {
			n := min(int(f.left), len(data))
			f.left -= uint32(n)
			data = data[n:]
		}
		if f.have == len(f.size) && f.left == 0 {
			f.ended++
			f.have = 0
		}
	}
}
