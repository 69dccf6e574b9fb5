package runtime_test

import (
	"sync"
	"testing"
)

// gate holds whoever comes by while it is shut.
type gate struct {
	mu   sync.Mutex // guards what follows
	shut chan struct{}
	held chan struct{} // closed when somebody is held
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.held = make(chan struct{}), make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) pass() {
	g.mu.Lock()
	shut := g.shut
	if shut != nil {
		select {
		case <-g.held:
		default:
			close(g.held)
		}
	}
	g.mu.Unlock()
	if shut != nil {
		<-shut
	}
}

func (g *gate) awaitHeld(t testing.TB) {
	t.Helper()
	g.mu.Lock()
	held := g.held
	g.mu.Unlock()
	select {
	case <-held:
	case <-within(t).Done():
		t.Fatalf("nobody came to the gate within %v", patience)
	}
}
