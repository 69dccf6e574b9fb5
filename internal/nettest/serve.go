package nettest

import (
	"net"
	"sync"
	"testing"
)

// Serve is a server for the time of a test. It calls handle for each connection, on a goroutine of its own, and closes the connection afterwards. It
// returns host and port.
func Serve(tb testing.TB, handle func(net.Conn)) (address string) {
	tb.Helper()
	listener := listen(tb)
	var (
		running sync.WaitGroup
		mu      sync.Mutex // guards conns and closed
		conns   []net.Conn
		closed  bool
	)
	running.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			if closed {
				c.Close()
			}
			mu.Unlock()
			running.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	tb.Cleanup(func() {
		listener.Close()
		mu.Lock()
		closed = true
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return listener.Addr().String()
}
