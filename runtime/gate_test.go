package runtime_test

import (
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
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

// holdIn lets kfake hold the request that it asks about until the gate is open. At an open gate the request does not begin to sleep: if the
// cluster is closed at that moment, the loop of kfake waits for a lock that its control function keeps.
func (g *gate) holdIn(cluster *kfake.Cluster) {
	g.mu.Lock()
	shut := g.shut != nil
	g.mu.Unlock()
	if shut {
		cluster.SleepControl(g.pass)
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
