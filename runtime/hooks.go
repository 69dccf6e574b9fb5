package runtime

import (
	"log/slog"
	"sync"
	"time"
)

// hooks calls functions of the program from one goroutine, one after the other: clients and workers tell of errors and events while they
// hold locks, and must not wait.
type hooks struct {
	log               *slog.Logger
	queue             chan hook
	stopping, stopped chan struct{}

	mu      sync.Mutex // guards dropped
	dropped map[string]bool
}

// hook is a call of a function. name is that of its field in Config.
type hook struct {
	name string
	call func()
}

// hookQueue is how many calls wait for the functions.
const hookQueue = 1000

func startHooks(log *slog.Logger) *hooks {
	h := &hooks{log: log, queue: make(chan hook, hookQueue), stopping: make(chan struct{}), stopped: make(chan struct{}), dropped: map[string]bool{}}
	go h.run()
	return h
}

// add queues a call. If the queue is full it is dropped; about is logged with the first that is.
func (h *hooks) add(name string, call func(), about ...any) {
	select {
	case h.queue <- hook{name, call}:
		return
	default:
	}
	h.mu.Lock()
	first := !h.dropped[name]
	h.dropped[name] = true
	h.mu.Unlock()
	if first {
		h.log.Warn("functions of the configuration are too slow: this one is not called each time", append([]any{"function", name}, about...)...)
	}
}

func (h *hooks) run() {
	defer close(h.stopped)
	for {
		select {
		case f := <-h.queue:
			h.call(f)
		case <-h.stopping:
			for {
				select {
				case f := <-h.queue:
					h.call(f)
				default:
					return
				}
			}
		}
	}
}

func (h *hooks) call(f hook) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("a function of the configuration has panicked", "function", f.name, "panic", p)
		}
	}()
	f.call()
}

// stop waits until all queued calls are done, but not for ever. Nobody adds one any more.
func (h *hooks) stop() {
	close(h.stopping)
	timeout := time.NewTimer(leaveTimeout)
	defer timeout.Stop()
	select {
	case <-h.stopped:
	case <-timeout.C:
		h.log.Warn("a function of the configuration has not returned", "timeout", leaveTimeout)
	}
}
